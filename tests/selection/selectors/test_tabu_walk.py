"""Walks from neighbour to neighbour."""

import contextlib

import numpy as np
import pytest
from oracles import votes as naive
from oracles import walks

from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import _loop, _tabu_walk, nsga2
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2, _start


@pytest.mark.parametrize("seed", range(5))
def test_a_step_takes_the_best_neighbour_that_does_not_rest(make_problem, monkeypatch, seed):
    monkeypatch.setattr(_tabu_walk, "REST", (2, 2))
    problem = make_problem(n_members=9, n_samples=80, seed=seed)
    votes = problem.search
    before = np.arange(9) % 3 == 0
    path = _tabu_walk.tabu_walk(Evaluator(problem), before, 25, np.random.default_rng(seed))
    assert len(path) == 25
    moved = []
    for after in path:
        (member,) = np.flatnonzero(before != after)
        fewest = walks.tabu_errors(votes, before, joins=after[member], resting=moved[-2:])
        assert naive.errors(after, votes.y_pred, votes.y_true, 4) == fewest
        assert after.any()
        moved.append(member)
        before = after


@pytest.mark.parametrize("n_members", [2, 3])
def test_a_walk_stays_inside_tiny_pools(make_problem, n_members):
    path = _tabu_walk.tabu_walk(
        Evaluator(make_problem(n_members=n_members)), np.ones(n_members, bool), 40, np.random.default_rng(0)
    )
    assert len(path) == 40
    assert path.any(axis=1).all()


def test_a_walk_ends_before_a_step_that_its_budget_does_not_cover(make_problem):
    search = Evaluator(make_problem(n_members=20), Budget(55))
    path = _tabu_walk.tabu_walk(search, np.arange(20) < 10, 40, np.random.default_rng(0))
    assert 1 < len(path) < 10
    assert 35 < search.budget.n_evaluations <= 55


def test_walks_start_from_the_lowest_error_from_the_front_and_from_beside_it(make_problem, monkeypatch):
    lowest, on_the_front = [], []

    def recorded(search, steps, rng):
        subset = _start(search, steps, rng)
        errors = search.archive.values[:, 0]
        on_the_front.append((search.archive.subsets == subset).all(axis=1).any())
        lowest.append((subset == search.archive.subsets[errors.argmin()]).all())
        return subset

    monkeypatch.setattr(nsga2, "_start", recorded)
    search = Evaluator(make_problem(n_members=30, n_samples=200))
    NSGA2(generations=300, patience=300, walk=5).select(search, np.random.default_rng(0))
    assert 0.3 < np.mean(lowest) < 0.5
    assert np.mean(lowest) + 0.15 < np.mean(on_the_front) < 0.85


def test_of_a_budget_children_get_at_least_a_third(make_problem, monkeypatch):
    children = []
    evaluate = Evaluator.evaluate
    monkeypatch.setattr(Evaluator, "evaluate", lambda self, some: children.append(len(some)) or evaluate(self, some))
    search = Evaluator(make_problem(n_members=60, n_samples=40), Budget(60_000))
    with contextlib.suppress(SearchOver):
        NSGA2().select(search, np.random.default_rng(0))
    assert search.budget.n_evaluations == 60_000
    assert 20_000 < sum(children) < 50_000


def test_without_the_error_among_the_objectives_the_first_of_them_leads(make_problem):
    """Of 20 members those with the fewest bytes stay, and join."""
    problem = make_problem(n_members=20, goals=("bytes", "macs"))
    path = _tabu_walk.tabu_walk(Evaluator(problem), np.ones(20, bool), 30, np.random.default_rng(0))
    dearest = problem.pool.costs["bytes"].argmax()
    assert not path[0, dearest]


def test_walks_can_be_left_out(make_problem, monkeypatch):
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    monkeypatch.setattr(Evaluator, "neighbour_values", lambda *arguments: pytest.fail("somebody walked"))
    NSGA2(generations=5, walk=0).select(Evaluator(make_problem(n_members=20)), np.random.default_rng(0))
