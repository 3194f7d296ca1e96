"""The best subset of each size against enumeration: every layout, every way to cut the work, every kind of pool."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import BitPlanes
from evo_ensyth.pool import Votes
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.selection.exact import pairwise_margins
from evo_ensyth.selection.exact.pairwise_margins import LAST, PairwiseMargins, Subtree


def draw(n_members, n_samples, n_classes, accuracy, seed):
    labels, truth = naive.random_votes(np.random.default_rng(seed), n_members, n_samples, n_classes, accuracy)
    return Votes(labels, truth, n_classes, "search")


def by_hand(votes, subset):
    return naive.errors(subset, votes.y_pred, votes.y_true, votes.n_classes)


def fewest_by_size(votes):
    """Errors of the best subset of each size, by counting all of them; index 0 is no size."""
    subsets = np.array(list(naive.all_subsets(votes.n_members)))
    errors, sizes = BitPlanes.of(votes).errors(subsets), subsets.sum(axis=1)
    return [votes.n_samples + 1] + [int(errors[sizes == size].min()) for size in range(1, votes.n_members + 1)]


def searched(margins, sizes, most):
    """Lowered limits, and what was found, when the work is cut into parts of about ``most``."""
    limits = np.full(margins.n_members + 1, margins.n_samples + 1)
    found = {}
    for subtree in margins.subtrees(sizes, most):
        for best in margins.search(subtree, sizes, limits).better:
            size = int(best.subset.sum())
            if best.errors < limits[size]:
                found[size] = best
                limits[size:] = np.minimum(limits[size:], best.errors)
    return limits, found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 10), st.integers(1, 200), st.integers(2, 6), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1),
    st.sampled_from([1, 20, 10**9]), st.sampled_from([(1, 1), (8, 32), (30, 200), (4096, 131072)]),
)  # fmt: skip
def test_the_best_of_each_size_is_that_of_enumeration(m, n, c, accuracy, seed, most, sizes_of_parts):
    votes = draw(m, n, c, accuracy, seed)
    expected = fewest_by_size(votes)
    margins, planes = PairwiseMargins(votes), BitPlanes.of(votes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairwise_margins, "TWIG", sizes_of_parts[0])
        patch.setattr(pairwise_margins, "BRANCH", sizes_of_parts[1])
        for size in range(1, m + 1):
            limits, found = searched(margins, range(size, size + 1), most)
            assert limits[size] == expected[size]
            assert found[size].subset.sum() == size
            assert planes.errors(found[size].subset[None]) == expected[size]


@pytest.mark.parametrize("truth_is", [None, 0, 3])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("n_members", [1, 4, 8, LAST + 1])
def test_the_best_of_each_size_is_that_of_enumeration_where_members_do_not_answer(n_members, share, truth_is):
    """A truth without votes is wrong, also the lowest class; all sizes one by one and, of large pools, at once."""
    rng = np.random.default_rng(n_members)
    labels, truth = naive.random_votes(rng, n_members, 90, 4, 0.5)
    if truth_is is not None:
        labels, truth = np.where(labels == truth, truth_is, labels), np.full(90, truth_is)
    votes = Votes(naive.silenced(rng, labels, share), truth, 4, "search")
    expected = fewest_by_size(votes)
    margins, sizes = PairwiseMargins(votes), range(1, n_members + 1)
    assert (margins.fewest_errors()[1:] <= expected[1:]).all()
    if n_members >= LAST:
        limits, _ = searched(margins, sizes, 2**LAST)
        assert_array_equal(limits[1:], np.minimum.accumulate(expected[1:]))
        sizes = range(1, 4)
    for size in sizes:
        limits, found = searched(margins, range(size, size + 1), 20)
        assert limits[size] == expected[size]
        signed = signed_labels(votes.y_pred, 4)
        assert naive.errors(found[size].subset, signed, truth, 4) == expected[size]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("lo", "hi"), [(1, None), (3, 8), (5, None), (1, 2)])
def test_several_sizes_at_once_are_those_of_enumeration(seed, lo, hi):
    rng = np.random.default_rng(seed)
    votes = draw(LAST + seed % 3, int(rng.integers(1, 300)), int(rng.integers(2, 7)), rng.uniform(0.1, 0.9), seed)
    sizes = range(lo, (hi or votes.n_members) + 1)
    expected = np.minimum.accumulate(fewest_by_size(votes)[sizes.start : sizes.stop])
    planes = BitPlanes.of(votes)
    for most in (2**LAST, 2**20):
        limits, found = searched(PairwiseMargins(votes), sizes, most)
        assert_array_equal(limits[sizes.start : sizes.stop], expected)
        for size, best in found.items():
            assert best.subset.sum() == size
            assert planes.errors(best.subset[None]) == best.errors


def test_a_limit_that_is_reached_already_finds_nothing():
    votes = draw(9, 120, 4, 0.6, 3)
    expected = fewest_by_size(votes)
    for size in range(1, 10):
        limits = np.full(10, expected[size])
        assert PairwiseMargins(votes).search(Subtree(0, 0, 0), range(size, size + 1), limits).better == []
        limits += 1
        assert len(PairwiseMargins(votes).search(Subtree(0, 0, 0), range(size, size + 1), limits).better) == 1


def test_bounds_cut_and_change_nothing():
    votes = draw(18, 150, 3, 0.7, 4)
    margins = PairwiseMargins(votes)
    size = range(9, 10)
    limits, _ = searched(margins, size, 10**9)
    searched_again = margins.search(Subtree(0, 0, 0), size, limits)
    assert searched_again.better == []
    assert searched_again.judged < 48_620 / 2  # subsets of 9 of 18
    assert searched_again.covered == 48_620


@pytest.mark.parametrize("sizes", [range(9, 10), range(3, 19)], ids=["one size", "several"])
def test_a_search_that_is_halted_says_how_far_it_came_and_one_that_is_not_covers_all(sizes):
    votes = draw(18, 150, 3, 0.7, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairwise_margins, "TWIG", 1_000)
        nothing_known = np.full(19, 151)
        whole = PairwiseMargins(votes).search(Subtree(0, 0, 0), sizes, nothing_known)
        halted = PairwiseMargins(votes).search(Subtree(0, 0, 0), sizes, nothing_known, np.ones(1, bool))
    assert whole.covered == sum(math.comb(18, size) for size in sizes)
    assert 0 < halted.judged <= halted.covered < whole.covered / 2


@pytest.mark.parametrize("n_members", [63, 64, 65, 129])
def test_masks_of_several_words(n_members):
    votes = draw(n_members, 70, 5, 0.5, n_members)
    pairs = np.array([(i, j) for i in range(n_members) for j in range(i)])
    subsets = np.zeros((len(pairs), n_members), bool)
    np.put_along_axis(subsets, pairs, True, axis=1)
    limits, found = searched(PairwiseMargins(votes), range(1, 2), 10)
    assert limits[1] == votes.member_errors.min()
    limits, found = searched(PairwiseMargins(votes), range(2, 3), 500)
    assert limits[2] == BitPlanes.of(votes).errors(subsets).min()
    assert by_hand(votes, found[2].subset) == limits[2]
    limits, found = searched(PairwiseMargins(votes), range(n_members, n_members + 1), 10)
    assert limits[n_members] == by_hand(votes, np.ones(n_members, bool))


@pytest.mark.parametrize(
    "labels",
    [np.zeros((4, 5)), np.ones((4, 5)), [[0] * 5, [1] * 5, [2] * 5, [1] * 5], np.zeros((1, 1)), np.ones((3, 1))],
    ids=["all right", "all wrong", "each his own", "one sample", "one sample, all wrong"],
)
def test_pools_in_which_little_is_open(labels):
    labels = np.array(labels, int)
    votes = Votes(labels, np.zeros(labels.shape[1], int), 3, "search")
    expected = fewest_by_size(votes)
    for size in range(1, votes.n_members + 1):
        assert searched(PairwiseMargins(votes), range(size, size + 1), 10)[0][size] == expected[size]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 80), st.integers(2, 5), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_no_size_is_below_its_cheap_bound(m, n, c, accuracy, seed):
    votes = draw(m, n, c, accuracy, seed)
    lowest, expected = PairwiseMargins(votes).fewest_errors(), fewest_by_size(votes)
    assert (lowest[1:] <= expected[1:]).all()
    assert lowest[m] == expected[m]  # there is only one way to take all
