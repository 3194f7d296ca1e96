"""The paths that the plain selectors walk."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.selection import selectors
from evo_ensyth.selection.evaluator import Evaluator


class Recorder(Evaluator):
    """Remembers all that was judged, in order."""

    def evaluate(self, subsets):
        self.judged = [*getattr(self, "judged", []), *subsets.copy()]
        return super().evaluate(subsets)


def path(name, problem):
    search = Recorder(problem)
    selectors.load(name).select(search, np.random.default_rng(0))
    return np.array(search.judged), search


@pytest.mark.parametrize("seed", range(5))
def test_published_elimination_is_the_k_best_members_for_every_k(make_problem, seed):
    problem = make_problem(n_members=11, n_samples=40, seed=seed)
    judged, search = path("backward_elimination", problem)
    order = sorted(range(11), key=lambda i: (problem.search.member_errors[i], i))
    for k, subset in zip(range(11, 0, -1), judged, strict=True):
        assert set(np.flatnonzero(subset)) == set(order[:k])
    assert search.budget.n_evaluations == 11


@pytest.mark.parametrize(("name", "shrinking"), [("backward_wrapper", True), ("forward_greedy", False)])
@pytest.mark.parametrize("seed", range(5))
def test_a_walk_takes_the_best_neighbour_at_every_step(make_problem, name, shrinking, seed):
    problem = make_problem(n_members=6, n_samples=30, seed=seed)
    votes = problem.search
    judged, search = path(name, problem)
    sizes = judged.sum(axis=1)
    assert_array_equal(sizes, range(6, 0, -1) if shrinking else range(1, 7))
    start = judged[0] if shrinking else np.zeros(6, bool)
    for before, after in zip([start, *judged[shrinking:-1]], judged[shrinking:], strict=True):
        changed = np.flatnonzero(before != after)
        assert len(changed) == 1
        neighbours = [before ^ row for row in np.eye(6, dtype=bool) if (before @ row) == shrinking]
        errors = [naive.errors(n, votes.y_pred, votes.y_true, 4) for n in neighbours]
        assert naive.errors(after, votes.y_pred, votes.y_true, 4) == min(errors)
    assert search.budget.n_evaluations == (20 if shrinking else 15) + 6


def test_of_members_whose_removal_hurts_equally_the_costliest_goes_then_the_last(make_problem):
    problem = make_problem(n_members=4)
    same = type(problem.search)(np.tile(problem.search.y_pred[:1], (4, 1)), problem.search.y_true, 4, "search")
    costs = {"bytes": np.array([5, 9, 9, 1])}
    members = replace(problem.pool.members, costs=costs)
    problem = replace(problem, pool=replace(problem.pool, members=members, search=same, test=None))
    judged, _ = path("backward_wrapper", problem)
    assert [np.flatnonzero(s).tolist() for s in judged] == [[0, 1, 2, 3], [0, 1, 3], [0, 3], [3]]


def test_single_best_and_whole_pool(make_problem):
    problem = make_problem(n_members=7)
    best, _ = path("single_best", problem)
    assert_array_equal(np.flatnonzero(best[0]), [problem.search.member_errors.argmin()])
    everybody, _ = path("whole_pool", problem)
    assert everybody.all()


def test_random_sizes_are_spread_evenly():
    from evo_ensyth.selection.selectors.baselines.random import random_subsets

    sizes = random_subsets(10_000, 10, np.random.default_rng(0)).sum(axis=1)
    counts = np.bincount(sizes, minlength=11)
    assert counts[0] == 0
    assert abs(counts[1:] - 1000).max() < 150
