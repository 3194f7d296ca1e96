"""The program itself: help, completion, exit statuses, and what it imports."""

import os
import shutil
import subprocess
import sys

import pytest

from evo_ensyth import __version__
from evo_ensyth.cli import main as cli
from evo_ensyth.errors import UnfinishedError

COMMANDS = [
    [],
    ["search"],
    ["compare"],
    ["pick"],
    ["list"],
    ["export"],
    ["verify"],
    ["convert"],
    ["pool"],
    ["pool", "build"],
    ["pool", "status"],
    ["pool", "show"],
    ["pool", "measure"],
    ["pool", "export"],
    ["runs"],
    ["runs", "list"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(call, command):
    said, short = call(*command, "--help"), call(*command, "-h")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(" ".join(["Usage: evo-ensyth", *command]) + " ")
    assert "-h, --help" in said.out
    assert short == said


def test_every_command_is_tried_above(call):
    def below(*command: str) -> list[str]:
        lines = call(*command, "-h").out.partition("Commands:\n")[2].splitlines()
        return [line.split()[0] for line in lines]

    top = below()
    assert sorted(top) == sorted({command[0] for command in COMMANDS if command})
    for group in ("pool", "runs"):
        assert sorted(below(group)) == sorted(
            command[1] for command in COMMANDS if command[:1] == [group] and command[1:]
        )


def test_without_a_command_there_is_help(call):
    assert call() == call("--help")
    assert call("pool") == call("pool", "--help")


def test_old_names_are_not_in_the_help(call):
    text = "".join(call(*command, "-h").out for command in COMMANDS)
    for old in ("report", "--against", "--criterion", "pool make"):
        assert old not in text.replace("report.md", "")


def test_the_help_names_every_option_that_is_promised(call):
    text = call("search", "--help").out
    for option in (
        "selector", "baseline", "members", "objectives", "at-most", "at-least", "vote", "ties", "temper",
        "recommend", "folds", "budget", "seconds",
        "max-size", "seed", "test-share", "split-seed", "out", "json", "quiet",
    ):  # fmt: skip
        assert f"--{option}" in text


def test_the_version_can_be_asked_for(call):
    said = call("--version")
    assert (said.status, said.out) == (0, f"{__version__}\n")


def test_an_unknown_command_takes_one_line(refused):
    assert "No such command 'serch'. Did you mean 'search'?" in refused("serch")
    assert "--nope" in refused("--nope")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UnfinishedError("two are missing."), 1, "evo_ensyth: two are missing.\n"),
        (
            MemoryError("Unable to allocate 9 GiB"),
            3,
            "evo_ensyth: there is not enough memory. Unable to allocate 9 GiB\n",
        ),
        (KeyboardInterrupt(), 130, "evo_ensyth: stopped; nothing half-made is left, and what was finished is kept.\n"),
    ],
)
def test_what_stops_a_command_has_a_status_of_its_own(call, monkeypatch, error, status, message):
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr("evo_ensyth.workspace.build_pool", fail)
    said = call("pool", "build", "digits")
    assert (said.status, said.out, said.err) == (status, "", message)


def test_a_mistake_of_the_program_keeps_its_traceback(call, monkeypatch):
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("evo_ensyth.workspace.build_pool", fail)
    with pytest.raises(ZeroDivisionError):
        call("pool", "build", "digits")


# Completion

# The program as an installer would write it, under any name.
SCRIPT = f"#!{sys.executable}\nfrom evo_ensyth.cli.main import main\nmain()\n"
NO_DETECTION = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}


@pytest.fixture
def script(tmp_path, environment):
    """Write the program as a script of some name, or link to it, and call it."""

    def script(name: str, *arguments: str, link: bool = False, **variables: str) -> str:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        written = path.with_name("another") if link else path
        written.write_text(SCRIPT)
        written.chmod(0o755)
        if link:
            path.symlink_to(written)
        return subprocess.run(
            [path, *arguments],
            cwd=tmp_path, env={**environment, **NO_DETECTION, **variables}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    return script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("name", "link"), [("evo-ensyth", False), ("my-search", False), ("ee", True)])
def test_shells_complete_the_name_that_the_program_was_called_by(script, name, link, shell):
    said = script(name, "--show-completion", shell, link=link)
    ends = {"bash": f"complete -o default -F _{name.replace('-', '_')}_completion {name}", "zsh": f"compdef {name}"}
    assert ends.get(shell, f"complete --command {name} ") in said
    assert f"_{name.replace('-', '_').upper()}_COMPLETE=" in said
    assert "another" not in said


def test_called_as_a_module_it_completes_the_name_of_the_command(tmp_path, environment):
    said = subprocess.run(
        [sys.executable, "-m", "evo_ensyth", "--show-completion", "bash"],
        cwd=tmp_path, env={**environment, **NO_DETECTION}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.rstrip().endswith("_evo_ensyth_completion evo-ensyth")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ee se", {"search"}),
        ("ee pool s", {"status", "show"}),
        ("ee search --bas", {"--baseline"}),
        ("ee list se", {"selectors"}),
    ],
)
def test_words_are_completed(script, words, expected):
    """As bash asks for them, with what `--show-completion` had it define."""
    asked = {"_EE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    assert set(script("ee", **asked).split()) == expected


# Imports


@pytest.mark.parametrize("command", COMMANDS)
def test_help_comes_without_the_heavy_libraries(tmp_path, environment, command):
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "evo_ensyth", *command, "--help"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Usage: evo-ensyth" in said.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"numpy", "torch", "numba", "matplotlib", "scipy", "pymoo", "moocore", "cvxpy", "sklearn"}


def test_help_comes_at_once(tmp_path, environment):
    """In processor time, for the machine may be busy with other things; the best of five."""
    seconds = []
    command = [sys.executable, "-m", "evo_ensyth", "--help"]
    for _ in range(5):
        before = os.times()
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(seconds) < 0.5


def test_search_and_compare_do_without_torch(npz, arrays, pool_folder, tmp_path, environment):
    code = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'cvxpy', 'sklearn'):\n"
        "            raise ModuleNotFoundError(name + ' is not needed here', name=name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from evo_ensyth.cli import main as cli\n"
        "for arguments in (['search', 'votes.npz', '--out', 'a'], ['search', 'pool', '--out', 'b'],\n"
        "                  ['compare', 'a', '--out', 'c']):\n"
        "    assert cli.run([*arguments, '--quiet']) == 0\n"
        "assert cli.run(['pool', 'build', 'digits']) == 2\n"
    )
    npz(arrays)
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == "a\nb\nc\n"
    assert "torch" in said.stderr  # only the last one needs it
    assert said.stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} >= {"a", "b", "c"}


@pytest.mark.parametrize("command", ["list selectors", "--help", "--version", "pool build --help"])
def test_a_reader_who_leaves_early_gets_the_status_of_a_closed_pipe(tmp_path, environment, command):
    read, write = os.pipe()
    os.close(read)
    said = subprocess.run(
        [sys.executable, "-m", "evo_ensyth", *command.split()],
        cwd=tmp_path, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (said.returncode, said.stderr) == (cli.PIPE_CLOSED, "")


@pytest.mark.parametrize(
    ("redirection", "status", "message"),
    [
        (">&-", 3, "evo_ensyth: standard output cannot be written: Bad file descriptor.\n"),
        (">/dev/full", 3, "evo_ensyth: standard output cannot be written: No space left on device.\n"),
        ("--json >/dev/full", 3, "evo_ensyth: standard output cannot be written: No space left on device.\n"),
        ("<&- >&- 2>&-", 3, ""),
        ("2>&-", 0, ""),
    ],
)
def test_output_that_cannot_be_written_is_said_in_one_line(tmp_path, environment, redirection, status, message):
    said = subprocess.run(
        ["sh", "-c", f'exec "$0" -m evo_ensyth list selectors {redirection}', sys.executable],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (status, message)


def test_a_file_that_cannot_be_written_is_not_taken_for_the_output(monkeypatch, capsys):
    def fail(*arguments: object) -> int:
        raise OSError(28, "No space left on device", "somewhere/file")

    monkeypatch.setattr(cli, "run", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    assert capsys.readouterr().err == "evo_ensyth: [Errno 28] No space left on device: 'somewhere/file'.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the limit is not kept, or cannot be set")
def test_too_little_address_space_is_said_before_a_library_hangs(call, monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (400 * 2**20, resource.RLIM_INFINITY))
    said = call("list", "selectors")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("evo_ensyth: this process may use 400 MiB of address space, and 1,")
