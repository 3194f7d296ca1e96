"""Plurality votes whose ties a second sum breaks, against plain loops over all subsets."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive
from oracles.vote_rules import plurality_with_ties

from evo_ensyth.engine import BitPlanes, PluralityVotes, plurality
from evo_ensyth.engine import bit_planes as module
from evo_ensyth.engine.second_sums import SecondSum
from evo_ensyth.pool import Votes

N_MEMBERS, N_CLASSES = 6, 4
KINDS = ("labels", "equal labels", "scores")


def drawn(seed, *, holes=0.0, n_samples=90, accuracy=0.3):
    rng = np.random.default_rng(seed)
    y_pred, y_true = naive.random_votes(rng, N_MEMBERS, n_samples, N_CLASSES, accuracy)
    y_pred = np.where(rng.random(y_pred.shape) < holes, -1, y_pred.astype(np.int64))
    return y_pred, y_true, rng


def tally(y_pred, y_true, label_weights, shares=None):
    votes = Votes(y_pred, y_true, N_CLASSES, "search")

    of_samples = None if shares is None else lambda samples: np.ascontiguousarray(shares[:, samples].swapaxes(0, 1))
    return PluralityVotes.of(votes, BitPlanes.of(votes), SecondSum(np.array(label_weights), of_samples))


def cases(kind, y_pred, rng):
    """Weights of the second sum, in whole numbers; all but those that differ tie often."""
    n_members, n_samples = y_pred.shape
    if kind == "equal labels":
        return rng.integers(0, 3, n_members).tolist(), None
    if kind == "labels":
        return (rng.permutation(n_members) * 7 + rng.integers(0, 5, n_members)).tolist(), None
    shares = rng.integers(0, 4, (n_members, n_samples, N_CLASSES)).astype(np.uint16)
    shares[y_pred == -1] = 0
    return [0] * n_members, shares


def expected_votes(subsets, y_pred, label_weights, shares):
    score_weights = [int(shares is not None)] * len(y_pred)
    each = [plurality_with_ties(s, y_pred, N_CLASSES, label_weights, score_weights, shares) for s in subsets]
    return np.array(each)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holes", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_all_subsets_vote_as_plain_loops_do(kind, holes, seed):
    y_pred, y_true, rng = drawn(seed, holes=holes)
    weights = cases(kind, y_pred, rng)
    counted = tally(y_pred, y_true, *weights)
    subsets = np.array(list(naive.all_subsets(N_MEMBERS)))
    expected = expected_votes(subsets, y_pred, *weights)
    wrong = expected != y_true
    assert_array_equal(counted.errors(subsets), wrong.sum(axis=1))
    assert_array_equal(counted.predictions(subsets), np.where(expected == -1, N_CLASSES, expected))
    by_class = [[np.count_nonzero(row & (y_true == c)) for c in range(N_CLASSES)] for row in wrong]
    assert_array_equal(counted.errors_by(y_true.astype(np.int64), N_CLASSES, subsets), by_class)
    plain = [naive.errors(subset, y_pred, y_true, N_CLASSES) for subset in subsets]
    assert (counted.errors(subsets) != plain).any()  # ties are broken otherwise than by the lowest class


@pytest.fixture(params=[0, plurality.ONE_BY_ONE], ids=["by tables", "one by one"])
def _moved(request, monkeypatch):
    """Neighbours by tables, also where they are few and small."""
    monkeypatch.setattr(plurality, "ONE_BY_ONE", request.param)


@pytest.mark.usefixtures("_moved")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holes", [0.0, 0.4])
def test_neighbours_and_swaps_are_those_counted_one_by_one(kind, holes):
    y_pred, y_true, rng = drawn(5, holes=holes)
    weights = cases(kind, y_pred, rng)
    counted = tally(y_pred, y_true, *weights)
    for subset in ([1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0]):
        subset = np.array(subset, bool)
        flips = naive.flips(subset)
        expected = [counted.errors(flip[None])[0] if flip.any() else 90 for flip in flips]
        assert_array_equal(counted.neighbour_errors(subset), expected)
        assert_array_equal(counted.neighbour_errors(subset, np.array([4, 2])), [expected[4], expected[2]])
        swaps = [counted.errors(swap[None])[0] for swap in naive.swaps(subset)]
        assert_array_equal(counted.swap_errors(subset).ravel(), swaps)


@pytest.mark.usefixtures("_moved")
@pytest.mark.parametrize("kind", KINDS)
def test_ensembles_of_large_pools_vote_as_plain_loops_do(kind):
    rng = np.random.default_rng(3)
    y_pred, y_true = naive.random_votes(rng, 70, 600, N_CLASSES, 0.3)  # two masks, two units
    weights = cases(kind, y_pred, rng)
    counted = tally(y_pred, y_true, *weights)
    subsets = np.array([np.isin(np.arange(70), rng.permutation(70)[:size]) for size in (2, 3, 5, 8, 9, 10, 34, 69)])
    wrong = expected_votes(subsets, y_pred, *weights) != y_true
    assert_array_equal(counted.errors(subsets), wrong.sum(axis=1))
    for subset in subsets[[0, 4, 6]]:
        flips, swaps = np.array(list(naive.flips(subset))), list(naive.swaps(subset))
        assert_array_equal(counted.neighbour_errors(subset), counted.errors(flips))
        assert_array_equal(counted.swap_errors(subset).ravel(), counted.errors(np.array(swaps)))


def test_many_subsets_of_many_samples_do_not_depend_on_threads(monkeypatch):
    y_pred, y_true, rng = drawn(2, n_samples=1300)
    counted = tally(y_pred, y_true, *cases("scores", y_pred, rng))
    subsets = np.tile(np.array(list(naive.all_subsets(N_MEMBERS))), (3, 1))
    alone = counted.errors(subsets)
    monkeypatch.setattr(module, "THREAD_PLANES", 1)
    monkeypatch.setattr(module, "threads", lambda: 3)
    assert_array_equal(counted.errors(subsets), alone)


def test_without_a_second_sum_the_lowest_class_wins():
    y_pred, y_true, _ = drawn(1)
    votes = Votes(y_pred, y_true, N_CLASSES, "search")
    plain = PluralityVotes.of(votes, BitPlanes.of(votes))
    subsets = np.array(list(naive.all_subsets(N_MEMBERS)))
    assert_array_equal(plain.errors(subsets), [naive.errors(s, y_pred, y_true, N_CLASSES) for s in subsets])
    assert_array_equal(plain.predictions(subsets), [naive.plurality(s, y_pred, N_CLASSES) for s in subsets])
