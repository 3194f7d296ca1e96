"""Pareto ensemble pruning, step by step, against what is obvious and slow."""

import contextlib
import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance, walks
from oracles import votes as naive

from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import pareto_ensemble_pruning
from evo_ensyth.selection.selectors.evolutionary.pareto_ensemble_pruning import ParetoEnsemblePruning, _Archive, _walk


class Recorder(Evaluator):
    """Remembers all that was judged, in order."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.judged = []

    def evaluate(self, subsets):
        self.judged.extend(subsets.copy())
        return super().evaluate(subsets)


def searched(problem, seed=1, selector=None, budget=None, seconds=None):
    search = Recorder(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        (selector or ParetoEnsemblePruning()).select(search, np.random.default_rng(seed))
    return search


def walked(search, start):
    archive = _Archive(start[None], search.evaluate(start[None]).values)
    _walk(search, start, archive)
    return archive


@pytest.mark.parametrize("n_members", range(1, 9))
@pytest.mark.parametrize("goals", [("error", "n_members"), ("error", "bytes"), ("bytes", "n_members")])
def test_the_front_of_a_small_pool_is_the_enumerated_one(n_members, goals, make_problem):
    problem = make_problem(n_members=n_members, n_samples=60, seed=n_members, goals=goals)
    everything = Evaluator(problem).evaluate(np.array(list(naive.all_subsets(n_members)))).values
    assert sorted(map(tuple, searched(problem).archive.values)) == dominance.non_dominated(everything)


@pytest.mark.parametrize("seed", range(5))
def test_a_walk_flips_every_member_once_and_always_the_best(seed, make_problem):
    problem = make_problem(n_members=7, n_samples=30, seed=seed)
    votes = problem.search
    start = np.random.default_rng(seed).random(7) < 0.5
    start[seed] = True
    search = Recorder(problem)
    walked(search, start)
    untouched = set(range(7))
    for before, after in zip(search.judged, search.judged[1:], strict=False):
        (flip,) = np.flatnonzero(before != after)
        assert flip == walks.pareto_pruning_flip(votes, before, untouched)
        untouched.remove(flip)
    # a member that would leave nobody behind may stay to the end
    assert len(untouched) <= 1
    # 28 neighbours, less those that would be nobody; 7 steps; the start
    assert 28 - 7 + 7 <= search.budget.n_evaluations <= 28 + 7 + 1


def test_a_walk_ends_with_what_is_left_of_the_budget_and_judges_its_steps(make_problem):
    start = np.arange(9) < 4
    search = Recorder(make_problem(n_members=9), Budget(1 + 9 + 8 + 7 + 3))
    walked(search, start)
    assert len(search.judged) == 1 + 3
    assert search.budget.remaining == 0
    search = Recorder(make_problem(n_members=9), Budget(1 + 9 + 8 + 7 + 2))
    walked(search, start)
    assert (len(search.judged), search.budget.remaining) == (1 + 2, 7)
    assert_array_equal(start, np.arange(9) < 4)


def test_a_walk_goes_by_the_first_objective_where_error_is_none(make_problem):
    problem = make_problem(n_members=8, goals=("bytes", "n_members"))
    archive = walked(Evaluator(problem), np.ones(8, bool))
    # down the path of the heaviest that is left, to the lightest of all
    assert archive.values.tolist() == [[problem.pool.costs["bytes"].min(), 1]]


def test_an_archive_refuses_what_is_dominated_and_drops_what_is_no_better():
    rows = np.eye(5, dtype=bool)
    archive = _Archive(rows[:2], np.array([[0.3, 2.0], [0.2, 4.0]]))
    assert not archive.offer(rows[2], np.array([0.3, 3.0]))
    assert not archive.offer(rows[2], np.array([0.31, 2.0]))
    assert archive.offer(rows[2], np.array([0.3, 2.0]))  # an equal takes the place
    assert_array_equal(archive.subsets, rows[[1, 2]])
    assert archive.offer(rows[3], np.array([0.1, 1.0]))
    assert_array_equal(archive.subsets, rows[[3]])


def test_children_are_parents_with_each_bit_flipped_once_in_so_many():
    parents = np.zeros((2, 50), bool)
    parents[0, :10] = parents[1, 30:] = True
    children = _Archive(parents, np.zeros((2, 2))).children(4000, np.random.default_rng(0))
    flips = np.minimum(*((children ^ parent).sum(axis=1) for parent in parents))
    assert flips.min() == 1
    # of those with any flip at all: binomial(50, 1/50) without zero
    assert abs(len(children) / 4000 - (1 - 0.98**50)) < 0.03
    assert abs(flips.mean() - 1 / (1 - 0.98**50)) < 0.05


def test_without_a_limit_there_are_as_many_children_as_published(make_problem, monkeypatch):
    asked = []
    children = _Archive.children
    monkeypatch.setattr(_Archive, "children", lambda self, n, rng: asked.append(n) or children(self, n, rng))
    searched(make_problem(n_members=26))
    assert sum(asked) == math.ceil(26**2 * math.log(26))
    asked.clear()
    searched(make_problem(n_members=12), selector=ParetoEnsemblePruning(iterations=17))
    assert sum(asked) == 17


def test_no_walk_starts_twice_from_one_subset(make_problem, monkeypatch):
    starts = []
    monkeypatch.setattr(
        pareto_ensemble_pruning, "_walk", lambda search, subset, archive: starts.append(subset.tobytes())
    )
    searched(make_problem(n_members=10), budget=3000)
    assert len(starts) == len(set(starts)) > 5


@pytest.mark.parametrize("budget", [1, 2, 100, 5000])
def test_a_budget_is_spent_to_the_last(budget, make_problem):
    search = searched(make_problem(n_members=20), budget=budget)
    assert search.budget.n_evaluations == budget
    assert np.array(search.judged).any(axis=1).all()
    few = ParetoEnsemblePruning(iterations=1)
    assert searched(make_problem(n_members=20), selector=few, budget=budget).budget.n_evaluations == budget


@pytest.mark.parametrize("n_members", [1, 2, 3])
def test_a_few_members_and_a_budget_come_to_an_end(n_members, make_problem):
    assert searched(make_problem(n_members=n_members), budget=300).budget.n_evaluations <= 300
