"""``runs list``: which runs there are, and what is not one."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from oracles.votes import random_votes

import evo_ensyth as ee
from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, sealed, unsealed, write_json
from evo_ensyth.io.run_folder import write_run

FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs"


@pytest.fixture(scope="module")
def _runs(tmp_path_factory) -> Path:
    """Two runs of one problem and one of another, which has no test split."""
    folder = tmp_path_factory.mktemp("registered")
    labels, truth = random_votes(np.random.default_rng(0), 5, 70, 3)
    search, test = (labels[:, :40], truth[:40]), (labels[:, 40:], truth[40:])
    for problem, selector, held_out, time in (
        ("odd name", "nsga2", None, "02"),
        ("votes", "nsga2", test, "03"),
        ("votes", "random", test, "01"),
    ):
        pool = ee.Pool.from_predictions(*search, test=held_out, name=problem)
        run = ee.search(pool, selector=selector, baselines=(), budget=50, n_folds=0)
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", run.time)
        place = folder / problem / f"{selector}-seed1"
        place.mkdir(parents=True)
        write_run(run, place)
        file = place / "run.json"
        write_json(file, sealed(unsealed(file, read_json(file)) | {"time": f"2026-11-{time}T00:00:00Z"}))
    return folder


@pytest.fixture
def runs(_runs, call, tmp_path) -> Path:
    """A copy of them in the working folder."""
    return Path(shutil.copytree(_runs, tmp_path / "runs"))


def test_runs_are_listed_by_time_with_what_is_not_one(call, runs):
    (runs / "votes" / "pool").mkdir()
    (runs / "votes" / ".run.abcdefgh.part").mkdir()
    (runs / "votes" / "torn").mkdir()
    (runs / "votes" / "torn" / "run.json").write_text("{")
    said = call("runs", "list", "--json")
    assert (said.status, said.err.splitlines()) == (
        0,
        [
            "evo_ensyth: runs/votes/torn cannot be read: run.json cannot be read as JSON: Expecting property name "
            "enclosed in double quotes: line 1 column 2 (char 1).",
            "evo_ensyth: not runs: runs/votes/pool",
        ],
    )
    assert list(said.json["unread"]) == ["runs/votes/torn"]
    assert said.json["others"] == ["runs/votes/pool"]
    rows = said.json["runs"]
    assert [row["folder"] for row in rows] == [
        "runs/votes/random-seed1", "runs/odd name/nsga2-seed1", "runs/votes/nsga2-seed1",
    ]  # fmt: skip
    run = ee.read_run(rows[0]["folder"])
    assert rows[0] == {
        "folder": "runs/votes/random-seed1",
        "time": "2026-11-01T00:00:00Z",
        "command": "Python",
        "problem": "votes",
        "selector": "random",
        "seed": 1,
        "vote": run.vote,
        "interrupted_by": None,
        "n_members": 5,
        "recommended": list(run.recommended.members),
        "search_error": run.recommended.error("search"),
        "test_error": run.recommended.error("test"),
    }
    assert rows[1]["test_error"] is None
    shown = call("runs", "list").out
    assert shown.index("2026-11-01") < shown.index("2026-11-02") < shown.index("2026-11-03")
    assert f"{len(run.recommended)} of 5" in shown


def test_the_list_in_python_is_the_same(call, runs):
    found = ee.list_runs("runs")
    assert found.to_dict() == call("runs", "list", "--json").json
    assert [run.problem for run in found] == ["votes", "odd name", "votes"]
    assert (len(found), found[2].selector, found.unread, found.others) == (3, "nsga2", {}, ())
    assert "2026-11-02 00:00:00" in repr(found)
    assert len(ee.list_runs(runs / "votes")) == 2
    (one,) = ee.list_runs(runs / "votes" / "nsga2-seed1")
    assert one.folder == str(runs / "votes" / "nsga2-seed1")


def test_a_run_that_was_moved_is_listed_where_it_is(runs):
    shutil.move(runs / "votes", runs / "renamed")
    assert [run.folder for run in ee.list_runs("runs")][::2] == [
        "runs/renamed/random-seed1", "runs/renamed/nsga2-seed1",
    ]  # fmt: skip


def test_a_list_needs_a_folder(refused, tmp_path):
    assert "runs does not exist; name one with runs" in refused("runs", "list")
    (tmp_path / "file").touch()
    assert "file is not a folder" in refused("runs", "list", "file")
    (tmp_path / "runs").mkdir()
    assert len(ee.list_runs("runs")) == 0


def test_a_list_in_python_refuses_likewise(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        ee.list_runs(tmp_path / "nowhere")


def test_runs_of_earlier_versions_come_first(call, runs):
    earlier = runs.parent / "earlier"
    for version in ("format-1", "format-2"):
        shutil.copytree(FIXTURES / version, earlier / version)
    shutil.copytree(runs / "votes" / "nsga2-seed1", earlier / "a")
    rows = call("runs", "list", "earlier", "--json").json["runs"]
    assert [(row["folder"], row["time"] is None) for row in rows] == [
        ("earlier/format-1", True), ("earlier/format-2", True), ("earlier/a", False),
    ]  # fmt: skip
