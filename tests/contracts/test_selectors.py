"""What holds for every selector there is: a new file is tested by being there."""

import contextlib
import gc
import random
import subprocess
import sys
from dataclasses import replace
from types import FunctionType, ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator

NAMES = selectors.names()


def searched(name, problem, seed=1, budget=None, seconds=None):
    evaluator = Evaluator(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(evaluator, np.random.default_rng(seed))
    return evaluator


def test_all_of_the_first_issue_are_there():
    expected = "backward_elimination backward_wrapper forward_greedy nsga2 random single_best whole_pool"
    assert set(expected.split()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_front(name, make_problem):
    first, second = (searched(name, make_problem(n_members=14), budget=3000) for _ in range(2))
    assert_array_equal(first.archive.subsets, second.archive.subsets)
    assert first.budget.n_evaluations == second.budget.n_evaluations


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [1, 7, 150])
def test_no_budget_is_exceeded_and_something_is_found(name, budget, make_problem):
    search = searched(name, make_problem(n_members=14), budget=budget)
    assert 0 < search.budget.n_evaluations <= budget
    assert len(search.archive) > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_search_ends_by_itself(name, make_problem):
    assert len(searched(name, make_problem(n_members=9)).archive) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 5])
def test_tiny_pools_work(name, n_members, make_problem):
    search = searched(name, make_problem(n_members=n_members))
    assert search.archive.subsets.any(axis=1).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_members", "limits"), [(2, {"budget": 40}), (5, {}), (14, {"budget": 900})])
def test_it_works_where_all_members_agree(name, n_members, limits, make_problem):
    problem = make_problem(n_members=n_members)
    same = np.repeat(problem.search.y_pred[:1], n_members, axis=0)
    problem = replace(problem, pool=replace(problem.pool, search=replace(problem.search, y_pred=same)))
    search = searched(name, problem, **limits)
    assert set(search.archive.values[:, 0]) == {problem.search.member_errors[0] / problem.search.n_samples}


@pytest.mark.parametrize("name", NAMES)
def test_three_objectives_work(name, make_problem):
    search = searched(name, make_problem(n_members=10, goals=("error", "bytes", "n_members")), budget=800)
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(search.archive.values)


@pytest.fixture(scope="module")
def enumerated():
    """Fewest errors of the ensembles of each size, counted by hand, for each pool that is asked for."""
    known = {}

    def fewest(votes):
        if votes.fingerprint not in known:
            fewest = dict.fromkeys(range(1, votes.n_members + 1), votes.n_samples)
            for subset in naive.all_subsets(votes.n_members):
                size = int(subset.sum())
                fewest[size] = min(fewest[size], naive.errors(subset, votes.y_pred, votes.y_true, votes.n_classes))
            known[votes.fingerprint] = fewest
        return known[votes.fingerprint]

    return fewest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_members", "seed"), [(6, 0), (8, 1)])
def test_no_front_claims_more_than_its_ensembles_do_or_beats_the_enumeration(
    name, n_members, seed, make_problem, enumerated
):
    problem = make_problem(n_members=n_members, n_samples=60, seed=seed)
    votes = problem.search
    search = searched(name, problem, seed)
    for subset, (error, size) in zip(search.archive.subsets, search.archive.values, strict=True):
        errors = naive.errors(subset, votes.y_pred, votes.y_true, votes.n_classes)
        assert (errors / votes.n_samples, subset.sum()) == (error, size)
        assert errors >= enumerated(votes)[int(size)]


@pytest.mark.parametrize("name", NAMES)
def test_random_numbers_come_from_the_generator_alone(name, make_problem):
    np.random.seed(5)  # noqa: NPY002 - the point is that nobody touches it
    random.seed(5)
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = searched(name, make_problem(n_members=14), budget=600)
    assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert random.getstate() == before[1]
    np.random.seed(6)  # noqa: NPY002
    random.seed(6)
    assert_array_equal(searched(name, make_problem(n_members=14), budget=600).archive.subsets, first.archive.subsets)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_handed_in_changes(name, make_problem):
    problem = make_problem(n_members=10)
    before = (problem.search.fingerprint, problem.pool.costs["bytes"].copy())
    searched(name, problem, budget=500)
    assert (type(problem.search)(problem.search.y_pred, problem.search.y_true, 4, "search").fingerprint) == before[0]
    assert_array_equal(problem.pool.costs["bytes"], before[1])


class Untouchable:
    """Stands for the test split: whatever is read of it ends the test."""

    def __getattribute__(self, name):
        raise AssertionError("the test split was touched")

    def __bool__(self):
        raise AssertionError("the test split was touched")


def guarded(problem):
    """Return the same problem with a test split that nobody can read, by whatever way they come to it."""
    pool = replace(problem.pool)
    object.__setattr__(pool, "test", Untouchable())
    return replace(problem, pool=pool)


@pytest.mark.parametrize("name", NAMES)
def test_the_test_split_is_out_of_reach(name, make_problem):
    search = searched(name, guarded(make_problem(n_members=10)), budget=500)
    assert len(search.archive) > 0


CHEATS = {
    "the problem": lambda problem: problem.test.y_true,
    "the pool": lambda problem: problem.pool.test.member_errors,
    "the pool's splits": lambda problem: problem.pool.splits["test"],
    "ensembles": lambda problem: problem.on_test(np.eye(10, dtype=bool)),
    "whether there is one": lambda problem: bool(problem.test),
}


@pytest.mark.parametrize("look", CHEATS.values(), ids=CHEATS)
def test_the_guard_catches_a_selector_that_cheats(look, make_problem):
    """A selector that was handed the problem by another way than the evaluator."""
    problem = guarded(make_problem(n_members=10))

    class Cheat:
        def select(self, search, rng):
            search.evaluate(np.eye(len(search.pool), dtype=bool))
            look(problem)

    with pytest.raises(AssertionError, match="the test split was touched"):
        Cheat().select(Evaluator(problem), np.random.default_rng(0))


def reaches(start, wanted):
    """Whether an object can be reached from another through attributes and containers."""
    seen, queue = set(), [start]
    while queue:
        found = queue.pop()
        if found is wanted:
            return True
        if id(found) not in seen and not isinstance(found, type | ModuleType | np.ndarray):
            seen.add(id(found))
            parts = gc.get_referents(found)
            # What a function was defined with is not what it was given: its module reaches everything there is.
            is_function = isinstance(found, FunctionType)
            queue += [part for part in parts if not (is_function and part is found.__globals__)]
    return False


def test_an_evaluator_leads_to_no_test_split(make_problem):
    problem = make_problem(n_members=10)
    search = Evaluator(problem)
    search.evaluate(np.eye(10, dtype=bool))
    search.neighbour_values(np.arange(10) < 3, np.arange(10) > 3)
    assert not reaches(search, problem.test)
    assert not reaches(search, problem)
    assert reaches(search, problem.search)
    search.handed_over = problem.on_search
    assert reaches(search, problem.test)  # the walk does find what is there


@pytest.mark.parametrize("name", NAMES)
def test_a_selector_knows_its_name(name):
    assert selectors.name_of(selectors.load(name)) == name


def test_no_library_is_imported_before_it_is_needed():
    program = (
        "import sys\n"
        "from evo_ensyth.selection import selectors\n"
        "for name in dir(selectors): getattr(selectors, name)\n"
        "for name in selectors.names(): selectors.load(name)\n"
        "assert not {'pymoo', 'deap', 'cma', 'torch'} & {name.split('.')[0] for name in sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        InputError, match=r"no selector called 'nsga4'. Did you mean 'nsga3'\? There is age_moea, backward_elim"
    ):
        selectors.load("nsga4")


def test_a_selector_may_live_anywhere(tmp_path, monkeypatch, make_problem):
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "first.py").write_text(
        "import numpy as np\n"
        "class First:\n"
        "    def select(self, search, rng):\n"
        "        search.evaluate(np.eye(len(search.pool), dtype=bool)[:1])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert searched("mylab.first", make_problem()).budget.n_evaluations == 1
    with pytest.raises(InputError, match=r"no selector called 'mylab.second'"):
        selectors.load("mylab.second")
