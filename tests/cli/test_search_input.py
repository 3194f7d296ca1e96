"""``search`` with wrong input: one line, status 2, nothing written. And names that nobody expects."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.by_hand import table
from evo_ensyth import workspace


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--selector", "nsga4"],
            "no selector called 'nsga4'. Did you mean 'nsga3'? There is age_moea, backward_elimination,",
        ),
        (["--selector", "../nsga2"], "no selector called '../nsga2'"),
        (["--selector", "os.path"], "has 0 classes with a method 'select'"),
        (["--selector", ""], "no selector called ''"),
        (["--baseline", "backward"], "no selector called 'backward'"),
        (
            ["--objectives", "eror,n_members"],
            "no objective called 'eror'. Did you mean 'error'? There is ",
        ),
        (["--objectives", "error,"], "no objective called ''"),
        (["--objectives", ""], "no objective called ''"),
        (["--objectives", "error,error"], "objective 'error' is given twice"),
        (["--objectives", "latenzy"], "Did you mean 'latency'?"),
        (["--objectives", "error,bytes"], "bytes"),
        (["--vote", "sofd"], "no vote called 'sofd'. Did you mean 'soft'?"),
        (["--vote", "soft", "--ties", "lowest"], "vote 'soft' has no setting 'ties'; it has temper"),
        (["--ties", "highest"], "Plurality: ties is 'highest'; it must be"),
        (["--recommend", "best"], "no rule called 'best'"),
        (["--folds", "1"], "n_folds is 1; it must be 2 or more, or 0"),
        (["--objectives", "eror"], "no objective called 'eror'. Did you mean 'error'?"),
        (["--vote", "soft"], "no 'search_scores', and labels alone do not say how sure the members are"),
        (["--at-most", "latency"], "'latency' is no limit; write NAME=VALUE, such as n_members=5"),
        (["--at-most", "latency=x"], "'latency=x' is no limit"),
        (["--at-most", "latency=nan"], "'latency=nan' is no limit"),
        (["--at-most", "=5"], "'=5' is no limit"),
        (["--at-most", "n_members=5", "--at-most", "n_members=4"], "'n_members' is limited twice; once is enough"),
        (["--at-most", "latenzy=5"], "Did you mean 'latency'?"),
        (["--at-most", "n_members=0"], "keeps all constraints; the nearest is "),
        (["--budget", "0"], "--budget"),
        (["--budget", "-5"], "--budget"),
        (["--budget", "many"], "--budget"),
        (["--budget", "1.5"], "--budget"),
        (["--seconds", "0"], "the time limit is 0 seconds; it must be above 0"),
        (["--seconds", "-1"], "--seconds"),
        (["--seconds", "nan"], "--seconds"),
        (["--seconds", "inf"], "the time limit is inf seconds"),
        (["--seconds", "soon"], "--seconds"),
        (["--max-size", "0"], "--max-size"),
        (["--max-size", "3"], "selector 'nsga2' has no setting 'max_size'; it has "),
        (["--selector", "exact", "--max-size", "6"], "max_size is 6; with 5 members it lies between 1 and 5"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "x"], "--seed"),
        (["--test-share", "1"], "the test share is 1; it must be at least 0 and below 1"),
        (["--test-share", "nan"], "the test share is nan"),
        (["--split-seed", "-1"], "--split-seed"),
        (["--members", "net*"], "no member's name matches 'net*'"),
        (["--out", "taken"], "taken exists already; name another folder"),
        (["--out", "votes.npz"], "votes.npz exists already"),
        (["--out", "votes.npz/run"], "votes.npz/run cannot be made: Not a directory"),
        (["--out", "x" * 300], "cannot be made: File name too long"),
        (["--out", "link"], "link exists already"),
        (["--out"], "--out"),
        (["--bugdet", "5"], "No such option"),
        (["another"], "unexpected extra argument"),
    ],
)
def test_wrong_options_take_one_line(refused, npz, arrays, tmp_path, arguments, message):
    npz(arrays)
    (tmp_path / "taken").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert message in refused("search", "votes.npz", *arguments)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("digit", "no problem called 'digit'. Did you mean 'digits'?"),
        ("nowhere.npz", "nowhere.npz does not exist"),
        ("folder", "folder holds no finished pool"),
        ("text.npz", "text.npz is not a complete .npz file"),
        ("half.npz", "half.npz is not a complete .npz file"),
        ("nan.npz", "nan.npz: 'search_scores' of member 1 lack 1 of 3 scores for sample 2"),
        ("pickled.npz", "pickled.npz: 'search_labels' holds pickled objects, which are never loaded"),
        ("\x1b[31mred\n.npz", "\\x1b[31mred .npz does not exist"),
        ("\udcff.npz", "\\udcff.npz does not exist"),
    ],
)
def test_what_cannot_be_searched_takes_one_line(refused, npz, arrays, tmp_path, target, message):
    whole = npz(arrays).read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.npz").write_text("text")
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    scores = np.eye(3)[arrays["search_labels"]]
    scores[1, 2, 0] = np.nan
    npz({"search_scores": scores, "search_truth": arrays["search_truth"]}, "nan.npz")
    npz({**arrays, "search_labels": arrays["search_labels"].astype(object)}, "pickled.npz")
    assert message in refused("search", target)


def test_a_hostile_key_is_shown_but_not_obeyed(refused, npz):
    assert "found \\x1b[31m" in refused("search", npz({"\x1b[31m": np.zeros(2)}))


def test_a_wrong_option_is_found_before_a_pool_is_built(refused, monkeypatch):
    monkeypatch.setattr(workspace, "build_pool", lambda *_, **__: pytest.fail("a pool was built"))
    assert "no selector called 'nsga4'" in refused("search", "digits", "--selector", "nsga4")
    assert "no selector called 'all'" in refused("search", "digits", "--baseline", "all")
    assert "--budget" in refused("search", "digits", "--budget", "0")
    assert "'latency' is no limit" in refused("search", "digits", "--at-most", "latency")
    Path("taken").mkdir()
    assert "taken exists already" in refused("search", "digits", "--out", "taken")


def test_a_folder_that_cannot_be_made_is_found_before_the_search(refused, npz, arrays, monkeypatch, tmp_path):
    from evo_ensyth import api

    monkeypatch.setattr(api, "run", lambda *_, **__: pytest.fail("a search began"))
    (tmp_path / "runs").write_text("in the way")
    assert "runs/votes/nsga2-seed1 cannot be made: Not a directory" in refused("search", npz(arrays))


def test_a_report_that_fails_leaves_nothing_but_what_is_printed(call, npz, arrays, monkeypatch, tree):
    from evo_ensyth.report.renderers import markdown

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(markdown, "render", full)
    path = npz(arrays)
    before = tree()
    said = call("search", path, "--budget", 50)
    assert (said.status, tree()) == (3, before)
    assert "runs/votes/nsga2-seed1 cannot be written: No space left on device" in said.err
    assert "Take " in said.out


# Names

HOSTILE = ["[red]loud[/red]", ":bug: <b>&amp;", "=HYPERLINK(1)", "$x_{1}$ 100 $", "模型🦀" + "long " * 60 + "end"]


@pytest.mark.parametrize(
    "name", ["[bold]$y^{2}$ :bug:.npz", "=1+1.npz", "\x1b[31mred.npz", "模型🦀\u0378.npz", "x" * 240 + ".npz"]
)
def test_hostile_names_are_shown_as_they_are(call, npz, arrays, name):
    path = npz({**arrays, "names": np.array(HOSTILE)})
    path.rename(name)
    said = call("search", name, "--objectives", "error,n_members")
    assert (said.status, said.err) == (0, "")
    assert "\x1b" not in said.out
    flat = "".join(said.out.split()).replace("│", "")
    for shown in HOSTILE[:4]:
        assert shown.replace(" ", "") in flat
    assert name.removesuffix(".npz").replace("\x1b", "\\x1b").replace(" ", "").replace("\u0378", "\\u0378") in flat
    (folder,) = Path("runs").glob("*/*")
    for row in table(folder / "front.csv"):
        texts = [cell for cell in row.values() if not re.fullmatch(r"-?[\d.e-]+", cell)]
        assert not [cell for cell in texts if cell[:1] in tuple("=+-@\t")], "a spreadsheet would calculate"


def test_a_terminal_that_knows_only_ascii_is_enough(npz, arrays, tmp_path, environment):
    path = npz({**arrays, "names": np.array(["模型", "bee", "cow", "dög", "eel"])}, "größe.npz")
    code = (
        "from evo_ensyth.cli import main, progress\n"
        "progress.SECONDS_BETWEEN_LINES = float('inf')\n"  # nothing on standard error, however slow the machine is
        "main.main()"
    )
    for setting, shown in (
        ({"PYTHONIOENCODING": "ascii"}, rb"gr\xf6\xdfe: nsga2"),
        # here not even the file's name can be decoded
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, rb"gr\udcc3\udcb6\udcc3\udc9fe: nsga2"),
    ):
        said = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, "search", os.fsencode(path)],
            cwd=tmp_path, env={**environment, **setting}, capture_output=True, check=False,
        )  # fmt: skip
        assert (said.returncode, said.stderr) == (0, b"")
        assert shown in said.stdout
        assert b"test error" in said.stdout
