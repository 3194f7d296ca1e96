"""``search`` that is stopped: by a time limit, by a signal, or because its output cannot be written."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import pytest
from oracles import votes as naive

from cli.by_hand import RUN_FOLDER
from evo_ensyth import api, files
from evo_ensyth.engine.kernels.compiler import seconds_compiling
from evo_ensyth.files import read_json, sealed
from evo_ensyth.io import run_folder
from evo_ensyth.io.run_folder import read_run
from evo_ensyth.selection.exact import proof
from evo_ensyth.selection.selectors.exact import exact


def test_a_time_limit_is_kept(call, npz):
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 4_000, 10)
    path = npz({"labels": labels, "truth": truth})
    start = time.perf_counter() - seconds_compiling()
    said = call("search", path, "--json", "--seconds", 0.5, "--baseline", "random")
    assert said.status == 0
    assert said.json["seconds_limit"] == 0.5
    assert 0.5 <= said.json["front"]["seconds"] < 1.5
    assert said.json["front"]["ended_by"] == "seconds"
    assert time.perf_counter() - seconds_compiling() - start < 30


@pytest.mark.parametrize("option", ["--json", "--seed=1"])
def test_a_reader_who_leaves_early_is_no_disaster(npz, arrays, tmp_path, environment, option):
    search = subprocess.Popen(
        [sys.executable, "-m", "evo_ensyth", "search", npz(arrays), option],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    search.stdout.close()
    assert search.stderr.read() == b""
    assert search.wait() == 141
    search.stderr.close()


@pytest.fixture
def long_search(npz, tmp_path, environment):
    """Start a search that would take five minutes and prints each step."""
    labels, truth = naive.random_votes(np.random.default_rng(0), 60, 4_000, 10)
    path = npz({"labels": labels, "truth": truth})
    started = []

    def long_search(*arguments: str) -> subprocess.Popen:
        code = (
            "from evo_ensyth.cli import main as cli, progress\n"
            "progress.SECONDS_BETWEEN_LINES = 0\n"  # so that we see when it has begun
            "cli.main()"
        )
        search = subprocess.Popen(
            [sys.executable, "-c", code, "search", path, "--seconds", "300", *arguments],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(search)
        return search

    yield long_search
    for search in started:
        search.kill()
        search.communicate()


def wait_for(search: subprocess.Popen, text: str) -> threading.Thread:
    """Read progress until a line holds ``text``, and keep reading in a thread, lest the pipe fills up."""
    for line in search.stderr:
        if text in line:
            reader = threading.Thread(target=lambda: search.stderr.read(), daemon=True)
            reader.start()
            return reader
    raise AssertionError(f"the search ended with status {search.wait()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_keeps_what_was_found_in_a_whole_run_folder(long_search, tmp_path, number):
    search = long_search("--json", "--out", "stopped")
    reader = wait_for(search, "nsga2: ")
    start = time.perf_counter()
    search.send_signal(number)
    run = json.loads(search.stdout.read())
    assert search.wait() == 128 + number
    assert time.perf_counter() - start < 60
    reader.join()
    assert run["selector"] == "nsga2"
    assert (run["interrupted"], run["interrupted_by"], run["folder"]) == (True, number.name, "stopped")
    assert run["front"]["ensembles"]
    folder = tmp_path / "stopped"
    assert sorted(p.name for p in folder.iterdir()) == sorted([*RUN_FOLDER, "test_samples.csv"])
    assert read_json(folder / "run.json") == sealed(run)
    assert "**Interrupted:**" in (folder / "report.md").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stopped", "votes.npz"]


SLEEPER = '''
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Sleeper:
    """Does not look up from its work."""

    def select(self, search, rng):
        import numpy as np

        search.evaluate(np.ones((1, len(search.pool)), bool))
        time.sleep(60)
'''


def test_a_second_ctrl_c_ends_at_once_and_leaves_nothing(long_search, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sleeper.py").write_text(SLEEPER)
    before = sorted(tmp_path.iterdir())
    search = long_search("--selector", "mine.sleeper", "--out", "stopped")
    reader = wait_for(search, "sleeper: ")
    search.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        search.wait(0.5)
    start = time.perf_counter()
    search.send_signal(signal.SIGINT)
    assert search.wait() == 130
    assert time.perf_counter() - start < 30
    reader.join()
    assert [p for p in sorted(tmp_path.iterdir()) if p.name != "__pycache__"] == before


# --- What was found is not lost --------------------------------------------------------------------------------------


def test_two_searches_at_once_have_a_folder_each(npz, arrays, tmp_path, environment):
    """The command of the report: of each pair, one lost all that it had found."""
    path = npz(arrays)
    command = [sys.executable, "-m", "evo_ensyth", "search", path, "--budget", "300", "--quiet", "--folds", "0"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    folders = [search.communicate()[0].strip() for search in both]
    assert [search.returncode for search in both] == [0, 0]
    assert sorted(folders) == ["runs/votes/nsga2-seed1", "runs/votes/nsga2-seed1.2"]
    for folder in folders:
        assert json.loads((tmp_path / folder / "run.json").read_text())["folder"] == folder


@pytest.fixture
def first_write_fails(monkeypatch):
    """Let the writing of run.json fail as on a full disk, as often as one asks for."""

    def fails(times: int, number: int = errno.ENOSPC) -> None:
        left = [times]

        def write_json(path, content):
            if left[0]:
                left[0] -= 1
                raise OSError(number, os.strerror(number))
            files.write_json(path, content)

        monkeypatch.setattr(run_folder, "write_json", write_json)

    return fails


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_what_cannot_be_written_is_printed_and_written_elsewhere(
    call, npz, arrays, tmp_path, monkeypatch, first_write_fails, number
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "evo-ensyth-mine").mkdir(parents=True)
    first_write_fails(2, number)
    said = call("search", npz(arrays), "--out", "mine", "--json", "--budget", 50)
    assert said.status == 3
    elsewhere = said.json["folder"]
    assert elsewhere == str(tmp_path / "elsewhere" / "evo-ensyth-mine.2")
    assert said.err.splitlines() == [
        f"evo_ensyth: mine cannot be written: {os.strerror(number)}.",
        f"evo_ensyth: what was found is in {elsewhere} instead.",
    ]
    assert read_run(elsewhere).recommended.indices == tuple(said.json["recommended"]["indices"])
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("option", ["--json", "--seed=1", "--quiet"])
def test_what_can_be_written_nowhere_is_printed_all_the_same(call, npz, arrays, tmp_path, first_write_fails, option):
    first_write_fails(9)
    said = call("search", npz(arrays), option, "--budget", 50)
    assert said.status == 3
    assert "what was found is written nowhere" in said.err
    if option == "--json":
        assert said.json["folder"] is None
        assert said.json["front"]["ensembles"]
    else:
        assert ("Take " in said.out) == (option != "--quiet")
    assert [path.name for path in tmp_path.iterdir()] == ["votes.npz"]


def test_where_there_is_not_even_a_folder_for_temporary_files_what_was_found_is_printed(
    call, npz, arrays, monkeypatch, first_write_fails
):
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    path = npz(arrays)
    first_write_fails(2)
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "gettempdir", nowhere)
        said = call("search", path, "--json", "--budget", 50)
    assert said.status == 3
    assert said.json["front"]["ensembles"]


def test_a_name_that_was_taken_meanwhile_gets_a_number(call, npz, arrays, tmp_path, monkeypatch):
    search = api.search

    def slow_search(*arguments, **options):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "theirs").touch()
        return search(*arguments, **options)

    monkeypatch.setattr(api, "search", slow_search)
    said = call("search", npz(arrays), "--out", "mine", "--quiet", "--budget", 50)
    assert (said.status, said.out) == (3, "mine.2\n")
    assert "mine exists already" in said.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["theirs"]
    assert read_run("mine.2").command.endswith("--quiet --budget 50")


def test_a_proof_keeps_its_checkpoint_until_its_run_is_whole(call, npz, monkeypatch, tmp_path, first_write_fails):
    monkeypatch.setattr(exact, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(proof, "LARGEST_PART", 2**6)
    monkeypatch.setattr(proof, "SMALLEST_PART", 2**6)
    labels, truth = naive.random_votes(np.random.default_rng(0), 13, 200, 4)
    arguments = ("search", npz({"labels": labels, "truth": truth}), "--selector", "exact", "--folds", 0, "--quiet")
    first_write_fails(3)
    assert call(*arguments).status == 3
    (checkpoint,) = (tmp_path / "runs" / "votes" / "unfinished").iterdir()
    assert checkpoint.name.startswith("exact-")
    said = call(*arguments)
    assert (said.status, said.out) == (0, "runs/votes/exact-seed1\n")
    assert not checkpoint.parent.exists()


def test_a_signal_while_the_run_is_written_waits_until_it_is(call, npz, arrays, monkeypatch):
    def write_json(path, content):
        signal.raise_signal(signal.SIGTERM)
        files.write_json(path, content)

    monkeypatch.setattr(run_folder, "write_json", write_json)
    said = call("search", npz(arrays), "--out", "mine", "--json", "--budget", 50)
    assert said.status == 143
    assert said.json["interrupted"] is False  # the search was over
    assert read_run("mine").recommended.indices == tuple(said.json["recommended"]["indices"])
