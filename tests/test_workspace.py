"""From what a user names to the problem that is meant."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from oracles import splitting

from evo_ensyth import workspace
from evo_ensyth.errors import InputError
from evo_ensyth.selection.problem import Problem

MODULE = '''
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from evo_ensyth.objectives import objective
from evo_ensyth.objectives.error import error
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.problem import Problem


@dataclass(frozen=True)
class Settings:
    folder: Path | None = None


@objective(unit="ms")
def slowest(ensembles):
    """The slowest member."""
    return ensembles.largest("ms")


def problem():
    labels = np.array([[0, 1, 1], [1, 1, 0]])
    members = Members(("a", "b"), costs={"ms": [1.0, 2.0]})
    return Problem(Pool(members, Votes(labels, labels[0], 2, "search")), (error, slowest))
'''


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a problem from an empty working folder; no pool is built."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> None:
        raise AssertionError(f"a pool was made for {name}")

    return lambda target, build=make, **options: workspace.load_problem(target, build=build, **options)


def test_the_problems_that_come_with_the_project_can_be_named(load):
    assert {"digits", "mnist", "fashion_mnist", "cifar10", "cifar5"} <= set(workspace.problem_names())


@pytest.mark.parametrize("target", ["digits"])
def test_a_problem_without_a_pool_has_it_made_and_is_asked_again(load, pool_folder, target):
    made = []

    def make(name: str) -> None:
        made.append(name)
        Path("runs/digits").mkdir(parents=True)
        pool_folder.rename("runs/digits/pool")

    problem = load(target, make)
    assert made == ["digits"]
    assert (problem.name, len(problem.pool)) == ("digits", 4)
    assert problem.pool.source == {"kind": "module", "name": "digits"}
    assert load(target).name == "digits"  # and is not made a second time


def test_a_pool_that_could_not_be_made_is_said_to_be_missing(load):
    with pytest.raises(workspace.PoolMissingError, match="'digits' is not built yet; build it with: python -m"):
        load("digits", lambda name: None)


def test_a_pool_folder_is_a_problem(load, pool_folder):
    problem = load(str(pool_folder))
    assert problem.name == "by-hand"
    assert [goal.name for goal in problem.objectives] == ["smoothed_error", "n_members"]
    assert problem.test.split == "test"
    assert problem.pool.source == {"kind": "pool", "name": "pool"}


def test_a_file_of_predictions_is_a_problem_that_says_how_it_was_split(load, npz):
    rng = np.random.default_rng(0)
    path = npz({"labels": rng.integers(0, 2, (3, 20)), "truth": rng.integers(0, 2, 20)}, "mine.npz")
    problem = load("mine.npz", test_share=0.25, split_seed=3)
    assert problem.name == "mine"
    assert problem.pool.source["name"] == "mine.npz"
    with np.load(path) as file:
        assert problem.pool.source["test_samples"] == splitting.stratified(file["truth"], 0.25, 3)
    assert (problem.pool.source["test_share"], problem.pool.source["split_seed"]) == (0.25, 3)
    assert problem.pool.source["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_comes_split_says_nothing_of_splitting(load, npz, arrays):
    assert set(load(str(npz(arrays))).pool.source) == {"kind", "name", "sha256"}


def test_a_module_of_ones_own_brings_its_own_objectives(load, tmp_path, monkeypatch):
    """A dataclass with postponed annotations used to fail: its module was nowhere to be found."""
    (tmp_path / "mine.py").write_text(MODULE)
    problem = load("mine.py")
    assert isinstance(problem, Problem)
    assert {"error", "slowest"} <= {goal.name for goal in problem.known}
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "mine.py").rename(tmp_path / "somewhere" / "else_.py")
    assert load(str(tmp_path / "somewhere" / "else_.py")).name == "else_"
    monkeypatch.syspath_prepend(tmp_path)
    assert load("somewhere.else_").name == "else_"


def test_a_module_in_the_folder_problems_is_found_by_its_name(load, tmp_path):
    (tmp_path / "problems").mkdir()
    (tmp_path / "problems" / "mine.py").write_text(MODULE)
    (tmp_path / "problems" / "_hidden.py").write_text(MODULE)
    (tmp_path / "problems" / "votes.npz.py").write_text(MODULE)
    assert "mine" in workspace.problem_names()
    assert not {"_hidden", "votes.npz"} & set(workspace.problem_names())
    assert load("mine").name == "mine"


def test_the_name_of_a_problem_is_not_mistaken_for_a_file(load, tmp_path):
    (tmp_path / "digits").mkdir()
    with pytest.raises(workspace.PoolMissingError):
        load("digits", lambda name: None)


@pytest.mark.parametrize("read", [workspace.load_problem, workspace.named_pool])
def test_a_problem_that_lies_beside_a_pool_of_its_name_is_not_run(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("problems", "mine"):
        (tmp_path / folder).mkdir()
    (tmp_path / "problems" / "mine.py").write_text("raise AssertionError")
    (tmp_path / "mine" / "pool.json").touch()
    with pytest.raises(InputError, match=r"'mine' is a problem and a pool here; name it problems/mine\.py or \./mine"):
        read("mine")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("digit", "no problem called 'digit'. Did you mean 'digits'"),
        ("zzzzz", r"no problem called 'zzzzz'\. There is .*digits.*mnist"),
        ("", "holds no finished pool"),
        ("votes.npz", r"votes\.npz does not exist"),
        ("nowhere/votes.npz", r"nowhere/votes\.npz does not exist"),
        ("nowhere/pool", "nowhere/pool does not exist"),
        ("mine.py", r"mine\.py does not exist"),
        ("answers.txt", r"there is no file answers\.txt, and no problem called .*No module named 'answers'"),
        ("answers.csv", r"answers\.csv does not exist"),
        ("os.path", "os.path has no function 'problem'"),
        ("..x", "there is no file"),
        ("x" * 300, "cannot be looked up: File name too long"),
        ("x" * 300 + ".py", "cannot be looked up: File name too long"),
        ("/dev/null", "is not a regular file"),
    ],
)
def test_what_is_no_problem_is_refused(load, target, message):
    with pytest.raises(InputError, match=message):
        load(target)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 / 0", r"mine\.py cannot be imported: ZeroDivisionError: division by zero"),
        ("def x(:", r"mine\.py cannot be imported: SyntaxError"),
        ("\0", r"mine\.py cannot be imported"),
        ("import nowhere_at_all", r"mine\.py cannot be imported: ModuleNotFoundError"),
        ("x = 1", r"mine\.py has no function 'problem'; a problem module needs one"),
        ("problem = 1", r"mine\.py has no function 'problem'"),
        ("problem = lambda: 1", r"mine\.py: 'problem' returned int; expected a Problem"),
        (MODULE.replace("(error, slowest))", "())"), "problem 'pool' has no objective"),
    ],
)
def test_a_module_that_is_no_problem_is_refused(load, tmp_path, content, message):
    (tmp_path / "mine.py").write_text(content)
    with pytest.raises(InputError, match=message):
        load("mine.py")


OWN = """
from evo_ensyth.workspace import stored_problem

def problem():
    return stored_problem(__name__)
"""


@pytest.mark.parametrize("place", ["mine.py", "lab/mine.py", "problems/mine.py", "lab.mine", "mine"])
def test_a_problem_module_asks_for_the_pool_of_its_own_name(load, tmp_path, monkeypatch, pool_folder, place):
    """However it is named: by path, with dots, or by its name alone where it lies in ``problems/``."""
    folder = tmp_path / ("lab" if "lab" in place else "" if place == "mine.py" else "problems")
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    asked = []

    def build(target: str) -> None:
        asked.append(target)
        (tmp_path / "runs/mine").mkdir(parents=True)
        pool_folder.rename(tmp_path / "runs/mine/pool")

    problem = load(place, build)
    assert asked == [place]  # what was named, so that the build finds its recipe again
    assert (problem.name, len(problem.pool)) == ("mine", 4)
    assert workspace.problem_name(place) == "mine"
    assert workspace.pool_folder(place) == Path("runs/mine/pool")
    for name in [name for name in sys.modules if name in ("lab", "lab.mine")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", sorted({"digits", "digits_mixed", "mnist", "fashion_mnist", "cifar10", "cifar5"}))
def test_a_problem_of_the_project_and_its_copy_ask_each_for_a_pool_of_its_own(load, tmp_path, name):
    """A copy used to search the pool of the original."""
    with pytest.raises(workspace.PoolMissingError) as missing:
        load(name, lambda target: None)
    assert missing.value.problem == name
    (tmp_path / "copy_of_it.py").write_bytes((ROOT / "problems" / f"{name}.py").read_bytes())
    with pytest.raises(workspace.PoolMissingError) as missing:
        load("copy_of_it.py", lambda target: None)
    assert missing.value.problem == "copy_of_it"
    assert "pool build copy_of_it" in str(missing.value)


def test_the_problem_that_measures_the_pool_of_another_has_that_one_built(load):
    asked = []
    with pytest.raises(workspace.PoolMissingError):
        load("digits_latency", asked.append)
    assert asked == ["digits"]


def test_problems_are_described_by_the_first_line_of_their_modules(load):
    described = workspace.describe_problems()
    assert tuple(described) == workspace.problem_names()
    assert described["digits"].startswith("Digits: ")
    assert all(described.values())


def test_a_folder_with_the_name_of_a_module_is_refused(load, tmp_path):
    (tmp_path / "mine.py").mkdir()
    with pytest.raises(InputError, match=r"mine\.py is not a regular file"):
        load("mine.py")


def test_a_module_without_a_recipe_has_no_pool_to_make(load, tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    with pytest.raises(InputError, match=r"mine\.py has no function 'recipe'"):
        workspace.build_pool("mine.py", lambda done, total, text: None)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc", "a\0b", "a\nb", "\x1b[31m"])
def test_results_stay_in_the_folder_of_runs(name):
    with pytest.raises(InputError, match="has no folder under runs; name one with --out"):
        workspace.results_folder(name)


def test_a_file_with_an_awkward_name_becomes_a_problem_that_can_be_shown(load, npz, arrays):
    path = npz(arrays)
    for name, shown in ((b"\x1b[31m.npz", "\\x1b[31m"), (b"\xff.npz", "\\udcff"), ("模型.npz".encode(), "模型")):
        other = Path(os.fsdecode(name))
        path.rename(other)
        path = other
        assert load(str(other)).name == shown
        workspace.results_folder(shown)


def test_a_file_of_predictions_is_a_pool_too(npz, arrays):
    stored = workspace.named_pool(str(npz(arrays)))
    assert len(stored.pool) == len(arrays["search_labels"])


def test_a_pipe_in_the_place_of_a_problem_module_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "mine.py")
    with pytest.raises(InputError, match=r"mine\.py is not a regular file"):
        workspace.load_problem(tmp_path / "mine.py")
