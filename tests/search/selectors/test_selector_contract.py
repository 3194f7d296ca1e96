"""What holds for every selector there is: a new file is tested by being there."""

import contextlib
import random
from dataclasses import replace

import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.search import selectors
from evo_ensyth.search.evaluator import Evaluator, SearchOver

NAMES = selectors.names()


def searched(name, problem, seed=1, **limits):
    evaluator = Evaluator(problem, **limits)
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(evaluator, np.random.default_rng(seed))
    return evaluator


def test_all_of_the_first_issue_are_there():
    expected = "backward_elimination backward_wrapper forward_greedy nsga2 random single_best whole_pool"
    assert set(expected.split()) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_front(name, make_problem):
    first, second = (searched(name, make_problem(n_members=14), budget=3000) for _ in range(2))
    assert_array_equal(first.front.subsets, second.front.subsets)
    assert first.spent == second.spent


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [1, 7, 150])
def test_no_budget_is_exceeded_and_something_is_found(name, budget, make_problem):
    search = searched(name, make_problem(n_members=14), budget=budget)
    assert 0 < search.spent <= budget
    assert len(search.front) > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_search_ends_by_itself(name, make_problem):
    assert len(searched(name, make_problem(n_members=9)).front) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_members", [1, 2, 3, 4, 5])
def test_tiny_pools_work(name, n_members, make_problem):
    search = searched(name, make_problem(n_members=n_members))
    assert search.front.subsets.any(axis=1).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n_members", "limits"), [(2, {"budget": 40}), (5, {}), (14, {"budget": 900})])
def test_members_who_all_agree_work(name, n_members, limits, make_problem):
    problem = make_problem(n_members=n_members)
    same = np.repeat(problem.search.y_pred[:1], n_members, axis=0)
    problem = replace(problem, pool=replace(problem.pool, search=replace(problem.search, y_pred=same)))
    search = searched(name, problem, **limits)
    assert set(search.front.values[:, 0]) == {problem.search.member_errors[0] / problem.search.n_samples}


@pytest.mark.parametrize("name", NAMES)
def test_three_objectives_work(name, make_problem):
    search = searched(name, make_problem(n_members=10, goals=("error", "bytes", "n_members")), budget=800)
    assert sorted(map(tuple, search.front.values)) == naive.non_dominated(search.front.values)


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
def test_nobody_claims_more_than_his_ensembles_do_or_beats_the_enumeration(
    name, n_members, seed, make_problem, enumerated
):
    problem = make_problem(n_members=n_members, n_samples=60, seed=seed)
    votes = problem.search
    search = searched(name, problem, seed)
    for subset, (error, size) in zip(search.front.subsets, search.front.values, strict=True):
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
    assert_array_equal(searched(name, make_problem(n_members=14), budget=600).front.subsets, first.front.subsets)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_handed_in_changes(name, make_problem):
    problem = make_problem(n_members=10)
    before = (problem.search.fingerprint, problem.pool.costs["bytes"].copy())
    searched(name, problem, budget=500)
    assert (type(problem.search)(problem.search.y_pred, problem.search.y_true, 4, "search").fingerprint) == before[0]
    assert_array_equal(problem.pool.costs["bytes"], before[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_test_split_is_out_of_reach(name, make_problem, monkeypatch):
    problem = make_problem(n_members=10)

    def poisoned(*arguments):
        raise AssertionError("the test split was touched")

    monkeypatch.setattr(type(problem), "on_test", poisoned)
    object.__setattr__(problem, "test", property(poisoned))
    searched(name, problem, budget=500)


def test_an_unknown_name_is_told_with_the_nearest():
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
    assert searched("mylab.first", make_problem()).spent == 1
    with pytest.raises(InputError, match=r"no selector called 'mylab.second'"):
        selectors.load("mylab.second")
