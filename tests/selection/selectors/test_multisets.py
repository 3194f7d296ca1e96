"""Multisets that are bred, and the archives that they are bred from."""

import contextlib
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import diversity
from oracles import multisets as slow
from oracles import votes as naive

from evo_ensyth.pool import Votes
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.quality_diversity import _multisets
from evo_ensyth.selection.selectors.quality_diversity._multisets import Breeding
from evo_ensyth.selection.selectors.quality_diversity.qdo_es import GRAIN, QDOES, Grid, mean_of_pairs, pairwise
from evo_ensyth.selection.selectors.quality_diversity.qo_es import QOES

both_selectors = pytest.mark.parametrize("kind", [QOES, QDOES])


class Recorder(Evaluator):
    """Remembers batches of multisets with their errors, and the sets that were judged."""

    def multiset_errors(self, multisets):
        errors = super().multiset_errors(multisets)
        self.batches = [*getattr(self, "batches", []), (multisets.copy(), errors)]
        return errors

    def evaluate(self, subsets):
        self.sets = [*getattr(self, "sets", []), *subsets.copy()]
        return super().evaluate(subsets)


def searched(selector, problem, seed=1, budget=None, seconds=None):
    search = Recorder(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        selector.select(search, np.random.default_rng(seed))
    return search


# --- The search -----------------------------------------------------------------------------------------------------


@both_selectors
def test_it_begins_with_the_best_member_and_random_pairs(kind, make_problem):
    problem = make_problem(n_members=30)
    search = searched(kind(), problem, budget=600)
    assert_array_equal(search.sets[0], np.arange(30) == problem.search.member_errors.argmin())
    pairs, _ = search.batches[0]
    assert 40 <= len(pairs) <= 49
    assert_array_equal(np.sort(pairs, axis=1)[:, -3:], np.tile([0, 1, 1], (len(pairs), 1)))
    assert {len(multisets) for multisets, _ in search.batches[1:]} == {40}


@both_selectors
@pytest.mark.parametrize("crossover", ["two_point", "average"])
def test_no_multiset_is_judged_twice_not_even_in_other_terms(kind, crossover, make_problem):
    search = searched(kind(crossover=crossover), make_problem(n_members=6))
    multisets = np.concatenate([multisets for multisets, _ in search.batches])
    assert len({tuple(multiset / multiset.max()) for multiset in multisets}) == len(multisets)
    assert all(math.gcd(*multiset) == 1 for multiset in multisets.tolist())
    assert len({s.tobytes() for s in search.sets}) == len(search.sets)
    assert search.budget.n_evaluations == len(multisets) + len(search.sets)
    assert search.budget.n_evaluations >= 50 * 6


@both_selectors
@pytest.mark.parametrize("seed", range(3))
def test_small_pools_are_solved(kind, make_problem, seed):
    problem = make_problem(n_members=5, n_samples=60, seed=seed)
    votes = problem.search
    fewest = min(naive.errors(s, votes.y_pred, votes.y_true, 4) for s in naive.all_subsets(5))
    assert round(searched(kind(), problem).archive.values[:, 0].min() * 60) == fewest


def test_the_archive_of_qo_es_holds_the_best_of_all(make_problem, monkeypatch):
    """Parents are the 49 multisets with the fewest errors, by a sort of everything that was judged so far."""
    parents, bred = [], _multisets._bred
    monkeypatch.setattr(
        _multisets, "_bred", lambda multisets, *rest: parents.append(multisets) or bred(multisets, *rest)
    )
    problem = make_problem(n_members=12)
    search = searched(QOES(), problem)
    start = np.arange(12) == problem.search.member_errors.argmin()
    judged = [(problem.search.member_errors.min(), start.astype(int))]
    for archive, (multisets, errors) in zip(parents, search.batches, strict=True):
        judged = slow.best_of_all([*judged, *zip(errors, multisets, strict=True)], 49)
        assert_array_equal(archive, [multiset for _, multiset in judged])


# --- Breeding -------------------------------------------------------------------------------------------------------


def test_children_of_two_points_have_a_stretch_of_one_parent_in_the_other():
    first, second = np.zeros((500, 6), np.int64), np.ones((500, 6), np.int64)
    children = _multisets._crossed(first, second, "two_point", np.random.default_rng(0))
    stretches = {tuple(int(i <= place < j) for place in range(6)) for i in range(7) for j in range(i, 7)}
    assert set(map(tuple, children.tolist())) == stretches


def test_an_average_is_rounded_up():
    child = _multisets._crossed(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 2, 6]]), "average", np.random.default_rng(0))
    assert_array_equal(child, [[0, 1, 2, 5]])


def test_a_mutation_is_one_vote_more_for_anybody_or_one_less_for_a_voter():
    multiset = np.array([2, 0, 1])
    mutants = _multisets._mutated(np.tile(multiset, (400, 1)), np.random.default_rng(0))
    changes = (mutants - multiset).tolist()
    assert set(map(tuple, changes)) == {(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, 0, -1)}
    assert 150 < sum(sum(change) < 0 for change in changes) < 250
    assert_array_equal(np.unique(_multisets._mutated(np.zeros((40, 1), np.int64), np.random.default_rng(0))), [0, 1])


def test_a_child_of_one_parent_always_mutates_and_one_of_two_at_the_rate_that_is_set():
    parents = np.array([[9, 4]])
    rng = np.random.default_rng(0)
    bred = _multisets._bred(parents, Breeding(crossover_rate=0, mutation=0), {parents.tobytes()}, rng)
    assert set(map(tuple, bred.tolist())) == {(5, 2), (2, 1), (9, 5), (3, 1)}  # in lowest terms
    bred = _multisets._bred(parents, Breeding(crossover_rate=1, mutation=0), {parents.tobytes()}, rng)
    assert len(bred) == 0


# --- The grid of QDO-ES ---------------------------------------------------------------------------------------------


def test_measures_of_diversity_are_those_of_a_loop():
    labels, truth = naive.random_votes(np.random.default_rng(0), 5, 70, 3)
    labels[4] = truth
    pairs = pairwise(Votes(labels, truth, 3, "search"))
    sets = np.array(list(naive.all_subsets(5)))
    differ, correlate = diversity.pairwise_measures(labels, truth)
    expected = [
        [diversity.mean_over_pairs(subset, differ, alone=0), diversity.mean_over_pairs(subset, correlate, alone=1)]
        for subset in sets
    ]
    assert_allclose(mean_of_pairs(sets, pairs), expected, atol=1 / GRAIN)


def test_the_best_multiset_of_every_cell_is_kept():
    labels, truth = naive.random_votes(np.random.default_rng(0), 9, 90, 4)
    votes, rng = Votes(labels, truth, 4, "search"), np.random.default_rng(1)
    multisets, errors = rng.integers(0, 3, (60, 9)), rng.integers(0, 30, 60)
    multisets[:, 0] += 1
    kept = Grid(votes, 3)(multisets, errors)
    measures = mean_of_pairs(multisets > 0, pairwise(votes))
    assert sorted(kept) == slow.best_of_cells(measures, errors, multisets.sum(axis=1), 3)


def test_boundaries_are_those_of_the_latest_multisets_and_count_each_once():
    labels, truth = naive.random_votes(np.random.default_rng(0), 9, 90, 4)
    grid, rng = Grid(Votes(labels, truth, 4, "search"), 2), np.random.default_rng(1)
    multisets = rng.integers(0, 3, (700, 9)) + np.eye(9, dtype=np.int64)[0]
    kept = multisets[grid(multisets[:600], np.arange(600))]
    grid(np.concatenate([kept, multisets[600:]]), np.arange(len(kept) + 100))
    assert_array_equal(grid._recent, mean_of_pairs(multisets > 0, pairwise(Votes(labels, truth, 4, "search"))))
    for _ in range(6):
        grid(np.concatenate([kept, multisets[:100]]), np.arange(len(kept) + 100))
    assert len(grid._recent) == 1_000
