"""The public names: all of them are there and described, importing them is quick, and they do what the commands do."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles import votes as naive
from oracles.executors import Shuffled

import evo_ensyth
from evo_ensyth import api, voting, workspace
from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.io.run_folder import read_run
from evo_ensyth.objectives import objective
from evo_ensyth.objectives.error import error
from evo_ensyth.pool import Pool
from evo_ensyth.results.run import Run
from evo_ensyth.selection import selectors
from evo_ensyth.selection.problem import Problem


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = np.random.default_rng(4)
    search, test = (naive.random_votes(rng, 8, 90, 3) for _ in range(2))
    return Pool.from_predictions(*search, test=test, costs={"watts": np.arange(1, 9)}, name="drawn")


@pytest.fixture(scope="module")
def run(pool) -> Run:
    return api.search(pool, selector="random", budget=200)


def front(run: Run) -> list[tuple]:
    return [(ensemble.indices, dict(ensemble.search), dict(ensemble.test)) for ensemble in run.front]


# Names


@pytest.mark.parametrize("name", evo_ensyth.__all__)
def test_every_public_name_is_there_and_described(name):
    assert len((inspect.getdoc(getattr(evo_ensyth, name)) or "").split()) > 3


def test_no_verb_has_the_name_of_a_room():
    """``ee.load`` imported the room, and then ``ee.search(pool)`` said that a module is not callable."""
    rooms = {path.name for path in Path(evo_ensyth.__file__).parent.iterdir()}
    assert not {name for name in api.__all__ if {name, f"{name}.py"} & rooms}
    assert evo_ensyth.search is api.search


@pytest.mark.parametrize("name", [name for name in api.__all__ if name != "read_run"])
def test_every_verb_describes_each_of_its_arguments(name):
    verb = getattr(api, name)
    described = inspect.getdoc(verb)
    for argument in inspect.signature(verb).parameters:
        assert f"{argument} :" in described or f"{argument}," in described or f", {argument}" in described, argument


def test_public_names_are_sorted_listed_and_all_placed():
    assert evo_ensyth.__all__ == sorted(evo_ensyth.__all__)
    assert set(evo_ensyth.__all__) == {*evo_ensyth._PLACES, *evo_ensyth._MODULES}
    assert set(evo_ensyth.__all__) <= set(dir(evo_ensyth))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'evo_ensyth' has no attribute 'serch'"):
        evo_ensyth.serch  # noqa: B018


# Importing

HEAVY = {"numpy", "numba", "torch", "matplotlib", "scipy", "pymoo", "pandas", "polars", "pydantic"}


def test_importing_the_package_loads_none_of_the_heavy_libraries(environment):
    code = "import evo_ensyth, json, sys; print(json.dumps(sorted({n.partition('.')[0] for n in sys.modules})))"
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(said.stdout))


def test_a_public_name_is_loaded_when_it_is_first_used(environment):
    code = (
        "import evo_ensyth, sys\n"
        "evo_ensyth.InputError\n"
        "assert 'numpy' not in sys.modules\n"
        "evo_ensyth.Pool\n"
        "assert 'numpy' in sys.modules\n"
        "from evo_ensyth import *\n"
        "load, search, compare, objectives, selectors\n"
        "assert not {'torch', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_importing_the_package_takes_less_than_a_fifth_of_a_second(environment):
    """In processor time, beyond what an empty program takes; the best of five each, for the machine may be busy."""

    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    taken = min(seconds("import evo_ensyth") for _ in range(5)) - min(seconds("pass") for _ in range(5))
    assert taken < 0.2


# search


def test_names_and_instances_give_the_same_front(pool):
    @objective(unit="W")
    def watts(ensembles):
        """The same as the cost of that name."""
        return ensembles.total("watts")

    nsga2, random = selectors.load("nsga2"), selectors.load("random")
    by_name = api.search(pool, ["error", "watts"], selector="nsga2", baselines=["random"], budget=300, seed=5)
    by_instance = api.search(pool, [error, watts], selector=nsga2, baselines=[random], budget=300, seed=5)
    assert front(by_name) == front(by_instance)
    assert by_name.front.selector == by_instance.front.selector == "nsga2"
    assert [one.selector for one in by_instance.baselines] == ["random"]
    assert by_name.front.hypervolume == by_instance.front.hypervolume
    assert by_name.baselines[0].ensembles == by_instance.baselines[0].ensembles


def test_a_pool_a_problem_a_file_and_its_name_are_searched_alike(npz, arrays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = npz(arrays)
    pool = api.load(path)
    asked = [pool, Problem(pool), workspace.load_problem(path), path, str(path), "votes.npz"]
    fronts = [front(api.search(one, selector="forward_greedy", baselines=())) for one in asked]
    assert fronts == [fronts[0]] * len(asked)
    assert list(tmp_path.iterdir()) == [path]  # nothing is written unless asked for


def test_one_objective_needs_no_list(pool):
    assert front(api.search(pool, "error", selector="random", budget=50)) == front(
        api.search(pool, ["error"], selector="random", budget=50)
    )
    assert api.search(pool, error, selector="random", budget=50).objectives == ("error",)


def test_members_and_constraints_narrow_the_search(pool):
    run = api.search(
        pool, selector="random", budget=200, members=["member-[0-4]"], at_most={"watts": 6}, at_least={"accuracy": 0.5}
    )
    assert run.n_members == 5
    for one in (run.front, *run.baselines):
        for ensemble in one:
            assert sum(i + 1 for i in ensemble.indices) <= 6
            assert set(ensemble.members) <= {f"member-{i}" for i in range(5)}
            assert ensemble.error("search") <= 0.5
    assert run.constraints == {"at_most": {"watts": 6.0}, "at_least": {"accuracy": 0.5}}


def test_constraints_of_the_problem_stay(pool):
    from evo_ensyth.selection.constraints import constraints_of

    problem = Problem(pool, constraints=constraints_of({"n_members": 2}, {}, pool.members))
    run = api.search(problem, selector="random", budget=100, at_most={"watts": 6})
    assert run.constraints["at_most"] == {"n_members": 2.0, "watts": 6.0}


def test_a_vote_may_be_a_name_or_an_instance(pool):
    by_name = api.search(pool, budget=200, vote="log_odds", baselines=())
    by_instance = api.search(pool, budget=200, vote=voting.LogOdds(), baselines=())
    assert by_name.vote == "log_odds"
    assert front(by_name) == front(by_instance)


def test_progress_is_reported_to_a_function(pool):
    seen = []
    api.search(pool, selector="random", budget=600, baselines=["forward_greedy"], on_progress=seen.append)
    assert [one.selector for one in seen] == sorted(one.selector for one in seen)  # the baseline comes first
    last = seen[-1]
    assert (last.selector, last.n_evaluations, last.budget) == ("random", 600, 600)
    assert last.hypervolume > 0


TABU = '''
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tabu:
    """Each member alone."""

    def select(self, search, rng):
        search.evaluate(np.eye(len(search.pool), dtype=bool))
'''
F1 = '''
from evo_ensyth.objectives import objective


@objective(unit="points")
def f1(ensembles):
    """Stands for a measure of one's own."""
    return 2.0 * ensembles.sizes
'''


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """A package of one's own with a selector and an objective."""
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tabu.py").write_text(TABU)
    (package / "f1.py").write_text(F1)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mylab"]:
        monkeypatch.delitem(sys.modules, name)  # another test may have had a package of this name
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "mylab"]:
        del sys.modules[name]


def test_a_selector_of_ones_own_has_a_dotted_name(pool, mylab):
    run = api.search(pool, selector="mylab.tabu", baselines=())
    assert {ensemble.size for ensemble in run.front} == {1}
    assert run.front.n_evaluations == 8


def test_an_objective_of_ones_own_has_a_dotted_name(pool, mylab):
    run = api.search(pool, ["error", "mylab.f1"], selector="forward_greedy", baselines=())
    assert run.objectives == ("error", "f1")
    assert run.units[1] == "points"
    assert all(ensemble.search["f1"] == 2 * ensemble.size for ensemble in run.front)


def test_an_objective_of_ones_own_has_a_dotted_name_on_the_command_line(call, npz, arrays, mylab):
    said = call("search", npz(arrays), "--json", "--objectives", "error,mylab.f1", "--selector", "mylab.tabu")
    assert said.status == 0, said.err
    assert said.json["objectives"] == ["error", "f1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selector": "nsga4"}, "no selector called 'nsga4'. Did you mean 'nsga3'?"),
        ({"selector": 5}, "5 is no selector; expected a name"),
        ({"selector": None}, "None is no selector; expected a name"),
        ({"baselines": ["randon"]}, "no selector called 'randon'. Did you mean 'random'?"),
        ({"baselines": [5]}, "5 is no selector"),
        ({"objectives": "eror"}, "no objective called 'eror'. Did you mean 'error'?"),
        ({"objectives": ["error", "eror"]}, "no objective called 'eror'. Did you mean 'error'?"),
        ({"objectives": ["error", "wats"]}, "no objective called 'wats'. Did you mean 'watts'?"),
        ({"objectives": ["error", "error"]}, "objective 'error' is given twice"),
        ({"objectives": []}, "problem 'drawn' has no objective; give it at least one"),
        ({"objectives": [lambda ensembles: ensembles.sizes]}, "objective"),
        ({"objectives": 3}, "objective"),
        ({"objectives": [3]}, "objective"),
        ({"vote": "plurallity"}, "no vote called 'plurallity'. Did you mean 'plurality'?"),
        ({"vote": 3}, "3 is no vote"),
        ({"vote": "soft"}, "the search split of this pool has labels only"),
        ({"recommend": "lowest"}, "no rule called 'lowest'"),
        ({"n_folds": 1}, "n_folds is 1; it must be 2 or more"),
        ({"members": ["net*"]}, "no member's name matches 'net*'; there are 8, such as 'member-0'"),
        ({"at_most": {"wats": 3}}, "no objective called 'wats'. Did you mean 'watts'?"),
        ({"at_most": {"watts": float("nan")}}, "watts"),
        ({"at_most": {"watts": "many"}}, "watts"),
        ({"at_most": {"n_members": 0}}, "constraints"),
        ({"budget": 0}, "the budget is 0; it takes at least 1 evaluation"),
        ({"seconds": 0}, "the time limit is 0 seconds; it must be above 0"),
        ({"seed": -1}, "the seed is -1; it must be 0 or more"),
    ],
)
def test_wrong_arguments_are_refused_with_the_nearest_name(pool, arguments, message):
    with pytest.raises(InputError) as raised:
        api.search(pool, **{"selector": "random", "budget": 50, **arguments})
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_baseline_and_one_pattern_need_no_list(pool):
    """A text used to be taken for a sequence of letters."""
    run = api.search(pool, selector="forward_greedy", baselines="single_best", members="member-[0-4]")
    assert [one.selector for one in run.baselines] == ["single_best"]
    assert run.n_members == 5


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (3, "problem is a int; expected a Pool, a Problem, or the name of one"),
        (None, "problem is a NoneType; expected a Pool"),
        (np.zeros((2, 3), int), "problem is a ndarray; expected a Pool"),
        ("digit", "no problem called 'digit'. Did you mean 'digits'?"),
        ("nowhere.npz", "nowhere.npz does not exist"),
    ],
)
def test_what_cannot_be_searched_is_refused(problem, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        api.search(problem)
    assert message in str(raised.value)


def test_every_error_is_one_of_ours_and_a_value_error(pool):
    with pytest.raises(EvoEnsythError):
        api.search(pool, "eror")
    with pytest.raises(ValueError, match="eror"):
        api.search(pool, "eror")


def test_selectors_are_listed_by_the_name_that_search_takes():
    assert "nsga2" in selectors.names()
    assert {type(selectors.load(name)).__module__.rpartition(".")[2] for name in selectors.names()} == set(
        selectors.names()
    )


def test_a_selector_with_settings_is_made_as_the_description_of_search_says(pool):
    assert "``selectors.NSGA2(population=50)``" in api.search.__doc__
    run = api.search(pool, selector=selectors.NSGA2(population=50), budget=200, baselines=())
    assert run.front.selector == "nsga2"
    assert run.front.settings["population"] == 50


# load


def test_a_file_of_predictions_is_loaded(npz, arrays):
    pool = api.load(npz(arrays, "mine.npz"))
    assert (pool.name, pool.names) == ("mine", ("ant", "bee", "cow", "dog", "eel"))
    np.testing.assert_array_equal(pool.search.y_pred, arrays["search_labels"])
    np.testing.assert_array_equal(pool.test.y_true, arrays["test_truth"])


def test_a_file_without_a_split_is_split_as_asked_for(npz):
    labels, truth = naive.random_votes(np.random.default_rng(2), 3, 20, 4)
    pool = api.load(npz({"labels": labels, "truth": truth}), test_share=0.25, split_seed=3)
    order = np.random.default_rng(3).permutation(20)
    np.testing.assert_array_equal(pool.test.y_pred, labels[:, np.sort(order[:5])])
    np.testing.assert_array_equal(pool.search.y_true, truth[np.sort(order[5:])])


def test_a_pool_folder_is_loaded(pool_folder):
    for source in (pool_folder, str(pool_folder)):
        pool = api.load(source)
        assert (pool.name, pool.names) == ("by-hand", ("a", "b", "c-1", "d_2.x"))
        assert pool.search.scores.n_members == 4


def test_a_problem_whose_pool_is_missing_is_built_only_if_asked_for(pool_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the pool of 'digits' is not built yet; build it with"):
        api.load("digits")

    def build(name: str) -> None:
        assert name == "digits"
        (tmp_path / "runs/digits").mkdir(parents=True)
        pool_folder.rename(tmp_path / "runs/digits/pool")

    problem = workspace.load_problem("digits", build=build)
    assert (problem.name, len(problem.pool)) == ("digits", 4)
    assert len(api.load("digits")) == 4


def test_a_built_pool_is_returned(pool_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []

    def build(name, show, **options):
        calls.append((name, options))
        show(1, 4, "a")
        (tmp_path / "runs/digits").mkdir(parents=True)
        return pool_folder.rename(tmp_path / "runs/digits/pool")

    monkeypatch.setattr(workspace, "build_pool", build)
    seen = []
    options = {"device": "cpu", "workers": 0, "without_failed": True, "allow_mixed": False, "repair": True}
    options["executor"] = Shuffled()
    pool = api.build_pool("digits", on_progress=lambda *progress: seen.append(progress), **options)
    assert (pool.names, calls, seen) == (("a", "b", "c-1", "d_2.x"), [("digits", options)], [(1, 4, "a")])


# compare and read_run


def test_runs_and_their_folders_are_compared_alike(pool, run, tmp_path):
    other = api.search(pool, selector="random", budget=200, seed=2)
    folder = run.save(tmp_path / "one")
    assert read_run(folder).to_dict() == run.to_dict() | {"folder": str(folder)}
    assert api.compare([run, other]).to_dict() == [run.to_dict(), other.to_dict()]
    expected = [read_run(folder).to_dict(), other.to_dict()]
    assert api.compare([folder, other]).to_dict() == api.compare([str(folder), other]).to_dict() == expected
    assert len(api.compare([run])) == 1


def test_runs_that_cannot_be_compared_are_refused(pool, run, tmp_path):
    with pytest.raises(InputError, match="there is no run to compare; give at least one"):
        api.compare([])
    with pytest.raises(InputError, match="'drawn' and 'drawn' cannot be compared: field 'objectives'"):
        api.compare([run, api.search(pool, ["error", "watts"], selector="random", budget=50)])
    with pytest.raises(InputError, match=r"run\.json does not exist"):
        api.compare([tmp_path / "nowhere"])
