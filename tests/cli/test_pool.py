"""``pool build``, ``status``, ``show`` and ``export``."""

import json
import re
from pathlib import Path

from evo_ensyth.errors import InputError


def test_a_dry_run_lists_the_members_and_what_they_take_and_makes_nothing(call, tree, monkeypatch):
    build = ("pool", "build", "digits_mixed", "--dry-run")
    said = call(*build, "--workers", "3")
    lines = said.out.splitlines()
    assert said.status == 0
    assert lines[64] == "64 members"
    assert re.fullmatch(r"about .* to .* with 3 processes and nothing else at work", lines[65])
    assert re.fullmatch(r".* MB on disk, and .* MB at most while they are made; [\d,]+ MB of memory", lines[66])
    plan = call(*build, "--json").json
    estimate = plan.pop("estimate")
    assert plan == {"problem": "digits_mixed", "n_members": 64, "members": lines[:64]}
    assert (estimate["n_made"], estimate["n_planned"], estimate["unknown"]) == (0, 64, [])
    assert 0 < estimate["seconds"][0] < estimate["seconds"][1]
    assert call(*build, "--quiet").out == ""
    assert tree() == {}

    def missing(name):
        raise InputError("nobody has it.")

    monkeypatch.setattr("evo_ensyth.synthesis.datasets.load", missing)
    lines = call(*build).out.splitlines()
    assert lines[64:] == ["64 members", "what they would take is unknown: nobody has it."]
    assert call(*build, "--json").json["estimate"] == {"reason": "nobody has it."}


OWN_METHOD = """
import copy, os
from dataclasses import dataclass
from pathlib import Path
from evo_ensyth.synthesis import FineTuning, Recipe, Route, Training
from evo_ensyth.synthesis.compression import Variant

@dataclass(frozen=True)
class Copying:
    counts: tuple = (1, 2)

    def names(self):
        return tuple(f"copy-{count}" for count in self.counts)

    def variants(self, parent, inputs, *, seed, scratch=None, progress=print):
        for count, name in zip(self.counts, self.names()):
            if count == 2 and not Path("go").exists():
                raise ZeroDivisionError("not yet")
            yield Variant(name, {"method": "copying"}, copy.deepcopy(parent), {})

def recipe():
    return Recipe(
        dataset="digits", n_search=500, network="small", training=Training(epochs=1), compressors=(Route(Copying()),),
        fine_tunings=(FineTuning(name="none", epochs=0),), n_calibration=10,
    )
"""


def test_workers_build_a_pool_with_a_method_of_ones_own(call, tmp_path):
    """One member of it fails at first."""
    (tmp_path / "mine.py").write_text(OWN_METHOD)
    status = call("pool", "status", "mine.py", "--json").json
    folder = "runs/mine/pool"
    nothing = {"problem": "mine.py", "folder": folder, "closed": False, "made": [], "failed": {}}
    assert status == {**nothing, "missing": ["copy-1", "copy-2"], "damaged": []}
    said = call("pool", "build", "mine.py", "--workers", "1", "--json", "--quiet")
    assert said.status == 1
    assert re.fullmatch(
        r"evo_ensyth: runs/mine/pool: 1 of 2 could not be made: copy-2 \(it needs mine-\w+: ZeroDivisionError: not yet"
        r"\)\. The others are kept; .*\n",
        said.err,
    )
    assert said.json == call("pool", "status", "mine.py", "--json").json
    assert said.json["made"] == ["copy-1"]
    assert list(said.json["failed"]) == ["copy-2"]
    shown = call("pool", "status", "mine.py").out
    for text in ("copy-1", "not yet", "1 made, 1 failed, 0 missing", "evo-ensyth pool build mine.py continues"):
        assert text in shown
    (tmp_path / "go").touch()
    assert call("pool", "build", "mine.py", "--workers", "0", "--json").json["members"] == ["copy-1", "copy-2"]
    assert call("pool", "build", "mine.py", "--quiet").out == f"{folder}\n"
    assert call("pool", "status", "mine.py").out.splitlines()[-1] == "it can be searched"
    (tmp_path / folder / "members/copy-2/test.scores.npy").write_bytes(b"torn")
    wanted = "damaged: members/copy-2; evo-ensyth pool build mine.py --repair makes them again"
    assert " ".join(call("pool", "status", "mine.py").out.split()).endswith(wanted)
    call("pool", "build", "mine.py", "--repair", "--workers", "0", "--quiet")
    assert call("pool", "status", "mine.py", "--json").json["damaged"] == []


def test_an_exported_pool_is_searched_as_the_pool_is(call, pool_folder, refused):
    def front(target: object, *options: str) -> list[dict]:
        return call("search", target, "--json", *options).json["front"]["ensembles"]

    def same(one: list[dict], other: list[dict]) -> bool:
        return [[e[key] for key in ("members", "search", "test")] for e in one] == [
            [e[key] for key in ("members", "search", "test")] for e in other
        ]

    assert call("pool", "export", pool_folder, "votes.npz", "--json").json["n_members"] == 4
    assert same(front(pool_folder), front("votes.npz"))
    assert call("pool", "export", pool_folder, "scores.npz", "--scores", "--quiet").out == ""
    soft = ("--objectives", "soft_error,n_members")
    assert same(front(pool_folder, *soft), front("scores.npz", *soft))
    assert "is there already" in refused("pool", "export", pool_folder, "votes.npz")
    assert "does not end with .npz" in refused("pool", "export", pool_folder, "votes")
    nowhere = refused("pool", "export", pool_folder, "nowhere/votes.npz")
    assert "nowhere/votes.npz cannot be written: No such file" in nowhere
    (pool_folder / "members" / "c-1" / "search.scores.npy").unlink()
    assert "c-1/search.scores.npy does not exist" in refused("pool", "export", pool_folder, "other.npz", "--scores")


def test_a_pool_is_shown_and_what_is_shown_is_kept(call, pool_folder):
    said = call("pool", "show", pool_folder)
    assert said.status == 0
    for text in (
        "by-hand: 4 members by 1 methods",
        "c-1",
        "(the parent)",
        "runs/by-hand/pool-shown",
        "3 members share conv, which an ensemble of them pays once: 100 bytes, 7.5 macs",
        "weights that are not zero",
        "0.0 (14.4)",
        "3 pairs are left out",
    ):
        assert text in said.out
    files = ["curves.png", "curves.svg", "disagreement.png", "disagreement.svg", "pool-shown.json", "pool.html"]
    assert sorted(path.name for path in Path("runs/by-hand/pool-shown").iterdir()) == files
    facts = call("pool", "show", pool_folder, "--json", "--cost", "macs", "--out", "there").json
    assert facts.pop("folder") == str(pool_folder)
    assert facts == json.loads(Path("there/pool-shown.json").read_text())
    assert facts["cost"] == "macs"
    assert facts["shared"] == [{"layers": "conv", "n_members": 3, "costs": {"bytes": 100, "macs": 7.5}}]
    (pair,) = facts["weight_masks"]["pairs"]
    assert (pair["methods"], pair["n_pairs"], pair["jaccard"], pair["overlap"]) == (["hand", "hand"], 3, 0, 0)
    assert facts["weight_masks"]["n_pairs_left_out"] == 3
    for name in "ab":
        (pool_folder / "members" / name / "weights.safetensors").unlink()
    said = call("pool", "show", pool_folder)
    assert "the weights of the members are not in its folder" in said.out
    assert call("pool", "show", pool_folder, "--quiet").out == "runs/by-hand/pool-shown.3\n"
    assert Path("runs/by-hand/pool-shown.2").exists()


def test_what_cannot_be_shown_takes_one_line(refused, pool_folder):
    assert "the pool of 'digits' is not built yet; build it with: " in refused("pool", "show", "digits")
    assert "no problem called 'digts'. Did you mean 'digits'?" in refused("pool", "show", "digts")
    assert "no cost 'euros'" in refused("pool", "show", pool_folder, "--cost", "euros")
    assert "no problem called 'digts'. Did you mean 'digits'?" in refused("pool", "status", "digts")
    assert "no problem called 'digts'. Did you mean 'digits'?" in refused("pool", "build", "digts")
    assert "--workers" in refused("pool", "build", "digits", "--workers", "-1")
    assert "PROBLEM" in refused("pool", "build")


# Pools that a search builds

OWN = """
from evo_ensyth import Problem
from evo_ensyth.workspace import stored_problem

def problem() -> Problem:
    return stored_problem(__name__)

def recipe():
    raise AssertionError("the stub builds it")
"""


def test_a_search_builds_the_missing_pool_of_its_problem(call, tmp_path, pool_folder, monkeypatch):
    built = []

    def build(name: str, progress: object, **options: object) -> Path:
        built.append(name)
        (tmp_path / "runs/own").mkdir(parents=True)
        return pool_folder.rename(tmp_path / "runs/own/pool")

    monkeypatch.setattr("evo_ensyth.workspace.build_pool", build)
    (tmp_path / "own.py").write_text(OWN)
    for selector in ("nsga2", "random"):  # the second search finds the pool
        said = call("search", "own.py", "--selector", selector, "--budget", 50, "--json")
        assert said.status == 0, said.err
        assert (said.json["problem"], said.json["n_members"]) == ("own", 4)
        assert (tmp_path / "runs/own" / f"{selector}-seed1" / "run.json").exists()
    assert built == ["own.py"]


def test_a_copy_of_a_problem_does_not_search_the_pool_of_the_original(call, tmp_path, pool_folder, monkeypatch):
    """``cp problems/digits.py mine.py`` is how a problem of one's own begins. It used to search the pool of digits."""
    from conftest import ROOT

    (tmp_path / "mine.py").write_bytes((ROOT / "problems" / "digits.py").read_bytes())
    (tmp_path / "runs/digits").mkdir(parents=True)
    pool_folder.rename(tmp_path / "runs/digits/pool")
    built = []
    monkeypatch.setattr("evo_ensyth.workspace.build_pool", lambda name, *_, **__: built.append(name))
    said = call("search", "mine.py")
    assert built == ["mine.py"]
    assert said.status == 2
    assert "the pool of 'mine' is not built yet; build it with: " in said.err
    assert call("search", "digits").status == 0
    assert built == ["mine.py"]
