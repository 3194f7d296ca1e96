"""Errors by margins, against their formulas."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import losses
from oracles import votes as naive
from scipy.stats import norm

from evo_ensyth.engine import Ensembles
from evo_ensyth.objectives.shrunk_error import PRIOR_SAMPLES, shrunk_error
from evo_ensyth.objectives.smoothed_error import smoothed_error
from evo_ensyth.pool import Members, Votes


def ensembles(labels, truth, n_classes, subsets):
    votes = Votes(labels, truth, n_classes, "search")
    return Ensembles(subsets, Members(tuple(map(str, range(votes.n_members)))), votes)


def by_hand(ensembles):
    votes = ensembles.votes
    return np.array(
        [losses.smoothed_error(subset, votes.y_pred, votes.y_true, votes.n_classes) for subset in ensembles.subsets]
    )


@pytest.fixture
def drawn():
    labels, truth = naive.random_votes(np.random.default_rng(3), 6, 90, 4)
    return ensembles(labels, truth, 4, np.array(list(naive.all_subsets(6))))


def test_the_smoothed_error_is_the_mean_of_its_formula(drawn):
    assert_allclose(smoothed_error.evaluate(drawn), by_hand(drawn), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("n_members", "sizes"), [(3, [1, 2, 3]), (40, [1, 20, 40]), (2_000, [1, 50, 2_000])])
def test_every_margin_has_its_loss_also_far_from_zero(n_members, sizes):
    """A member of many that say the same, so that all margins from -size to size occur."""
    labels = (np.arange(n_members)[:, None] >= np.linspace(0, n_members, 101).astype(int)).astype(int)
    truth = np.arange(101) % 2
    subsets = np.array([np.arange(n_members) < size for size in sizes])
    rng = np.random.default_rng(0)
    subsets = np.concatenate([subsets, rng.permuted(subsets, axis=1)])
    pool = ensembles(labels, truth, 2, subsets)
    assert_allclose(smoothed_error.evaluate(pool), by_hand(pool), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 0, 0], norm.cdf(-np.sqrt(3))), ([1, 1, 1], norm.cdf(np.sqrt(3)))]
)
def test_three_that_agree_may_be_wrong_or_right_by_three_votes(labels, expected):
    one = ensembles(np.array(labels)[:, None], np.array([0]), 2, np.ones((1, 3), bool))
    assert_allclose(smoothed_error.evaluate(one), [expected], rtol=0, atol=1e-6)


def test_a_tie_counts_half_whichever_class_wins_it():
    one = ensembles(np.array([[0, 1], [1, 0]]), np.array([0, 1]), 2, np.ones((1, 2), bool))
    assert smoothed_error.evaluate(one) == [0.5]


def test_the_shrunk_error_is_that_of_a_split_with_300_samples_more(drawn):
    """On those the ensemble errs as often as its members on average."""
    n = drawn.votes.n_samples
    wrong = (drawn.votes.y_pred != drawn.votes.y_true).mean(axis=1)
    own = np.array([wrong[subset].mean() for subset in drawn.subsets])
    expected = (n * by_hand(drawn) + PRIOR_SAMPLES * own) / (n + PRIOR_SAMPLES)
    assert_allclose(shrunk_error.evaluate(drawn), expected, rtol=0, atol=1e-6)


def test_neighbours_in_a_large_pool_take_little_more_room_than_they_do():
    labels, truth = naive.random_votes(np.random.default_rng(0), 2_000, 100, 4)
    subset = np.arange(2_000) < 9
    alone = ensembles(labels, truth, 4, subset[None])
    neighbours = replace(alone, subsets=subset ^ np.eye(2_000, dtype=bool), around=subset)
    shrunk_error.evaluate(neighbours)
    tracemalloc.start()
    try:
        values = shrunk_error.evaluate(neighbours)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * neighbours.subsets.nbytes
    some = replace(alone, subsets=neighbours.subsets[::500])
    assert_array_equal(shrunk_error.evaluate(some), values[::500])
