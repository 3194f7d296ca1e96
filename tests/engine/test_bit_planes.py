"""The kernels against the oracle that counts sample by sample."""

import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.engine import BitPlanes
from evo_ensyth.engine import bit_planes as planes
from evo_ensyth.engine.kernels.counting import LISTED
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes, memory

SHAPES = [(1, 5, 3), (2, 64, 2), (7, 100, 4), (20, 700, 300), (36, 500, 10), (64, 129, 3), (130, 65, 5), (8, 3000, 40)]


def drawn(n_members, n_samples, n_classes, accuracy=0.6, seed=0):
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, accuracy)
    subsets = rng.random((30, n_members)) < rng.random((30, 1))
    subsets[~subsets.any(axis=1), -1] = True
    return Votes(labels, truth, n_classes, "search"), subsets


def by_hand(votes, subsets):
    return [naive.errors(subset, votes.y_pred, votes.y_true, votes.n_classes) for subset in subsets]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("accuracy", [0.05, 0.6, 0.95])
def test_errors_equal_those_counted_by_hand(shape, accuracy):
    votes, subsets = drawn(*shape, accuracy)
    assert_array_equal(BitPlanes.of(votes).errors(subsets), by_hand(votes, subsets))


WAYS_TO_JUDGE = {
    "errors": lambda laid_out, subsets: laid_out.errors(subsets),
    "errors by group": lambda laid_out, subsets: laid_out.errors_by(np.arange(700) % 3, 3, subsets),
    "margins": lambda laid_out, subsets: laid_out.margin_counts(subsets),
    "losses": lambda laid_out, subsets: laid_out.margin_losses(subsets, lambda size: np.arange(601) % 13 * size),
}


@pytest.mark.parametrize("judge", WAYS_TO_JUDGE.values(), ids=WAYS_TO_JUDGE)
def test_subsets_are_judged_alike_alone_and_when_there_are_too_many_to_go_together(judge, monkeypatch):
    monkeypatch.setattr(planes, "threads", lambda: 1)
    votes, _ = drawn(300, 700, 7, accuracy=0.0)  # so all are often wrong
    rng = np.random.default_rng(3)
    subsets = rng.random((1_000, 300)) < rng.random((1_000, 1))
    subsets[~subsets.any(axis=1), -1] = True
    assert np.count_nonzero(subsets) > 2 * LISTED
    laid_out = BitPlanes.of(votes)
    assert_array_equal(judge(laid_out, subsets), np.concatenate([judge(laid_out, each[None]) for each in subsets]))


def test_losses_are_the_same_where_there_is_room_for_few_tables_of_them(monkeypatch):
    votes, subsets = drawn(20, 700, 6)
    laid_out = BitPlanes.of(votes)
    expected = laid_out.margin_losses(subsets, lambda size: drawn_losses(size, 20))
    monkeypatch.setattr(planes, "MOST_LOSSES", 100)
    assert_array_equal(laid_out.margin_losses(subsets, lambda size: drawn_losses(size, 20)), expected)


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 127, 128, 511, 512, 513, 1023, 1024, 1025])
def test_every_sample_counts_whether_or_not_it_fills_a_word_or_a_unit(n_samples):
    votes, subsets = drawn(11, n_samples, 5)
    assert_array_equal(BitPlanes.of(votes).errors(subsets), by_hand(votes, subsets))


@pytest.mark.parametrize("n_members", [63, 64, 65, 127, 128, 1023, 1024, 1025])
def test_every_member_counts_however_wide_the_counters(n_members):
    votes, subsets = drawn(n_members, 70, 6, accuracy=0.3)
    subsets = np.concatenate([subsets[:12], np.ones((1, n_members), bool)])
    laid_out = BitPlanes.of(votes)
    assert_array_equal(laid_out.errors(subsets), by_hand(votes, subsets))
    for subset in subsets[-2:]:
        flips = np.eye(n_members, dtype=bool)[:: n_members // 9]
        errors = laid_out.neighbour_errors(subset)[:: n_members // 9]
        assert_array_equal(errors, by_hand(votes, subset ^ flips))


def margins_by_hand(votes, subsets):
    return [naive.margin_counts(subset, votes.y_pred, votes.y_true, votes.n_classes) for subset in subsets]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("accuracy", [0.05, 0.6, 0.95])
def test_margins_equal_those_counted_by_hand(shape, accuracy):
    votes, subsets = drawn(*shape, accuracy)
    some = subsets[:: 1 + votes.n_samples // 40]  # by hand is slow
    assert_array_equal(BitPlanes.of(votes).margin_counts(some), margins_by_hand(votes, some))


@pytest.mark.parametrize("n_samples", [1, 511, 512, 513])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_every_margin_counts_once_whether_or_not_samples_fill_a_unit(n_samples, n_classes):
    votes, subsets = drawn(11, n_samples, n_classes)
    assert_array_equal(BitPlanes.of(votes).margin_counts(subsets), margins_by_hand(votes, subsets))


@pytest.mark.parametrize("n_members", [63, 64, 127, 128, 1023, 1024])
def test_margins_of_the_largest_ensembles_fit_into_their_counters(n_members):
    votes, subsets = drawn(n_members, 40, 3)
    subsets = np.concatenate([subsets[:3], np.ones((1, n_members), bool)])
    assert_array_equal(BitPlanes.of(votes).margin_counts(subsets), margins_by_hand(votes, subsets))


@pytest.mark.parametrize(("labels", "truth"), [(0, 0), (0, 1), (2, 2)])
def test_where_all_agree_nothing_needs_counting(labels, truth):
    votes = Votes(np.full((5, 700), labels), np.full(700, truth), 9, "search")
    laid_out = BitPlanes.of(votes)
    laid_out.words[:] = 0  # never looked at
    assert_array_equal(laid_out.errors(np.eye(5, dtype=bool)), np.full(5, 700 * (labels != truth)))
    assert_array_equal(laid_out.swap_errors(np.array([1, 1, 0, 0, 0], bool)), np.full((2, 3), 700 * (labels != truth)))


@pytest.mark.parametrize("size", range(1, 21))
def test_a_lead_is_settled_at_the_very_size_at_which_it_cannot_be_lost(size):
    """All splits of twenty votes between the truth and one other class, and the subsets that treat the truth worst."""
    rows = np.arange(20)[:, None] < np.arange(21)[None, :]
    labels = np.tile(np.where(rows, 1, 0), (1, 40))
    laid_out = BitPlanes.of(Votes(labels, np.ones(labels.shape[1], int), 3, "search"))
    mirrored = BitPlanes.of(Votes(1 - labels, np.zeros(labels.shape[1], int), 3, "search"))
    best, worst = np.arange(20) < size, np.arange(20) >= 20 - size
    for subset in (best, worst):
        votes = subset.astype(int) @ rows
        assert laid_out.errors(subset[None]) == 40 * np.count_nonzero(2 * votes <= size)
        assert mirrored.errors(subset[None]) == 40 * np.count_nonzero(2 * votes < size)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_errors_equal_those_counted_by_hand_whatever_the_votes(data):
    n_members, n_samples = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 12))
    n_classes = data.draw(st.integers(1, 4))
    label = st.integers(0, n_classes - 1)
    labels = np.array(
        data.draw(
            st.lists(st.lists(label, min_size=n_samples, max_size=n_samples), min_size=n_members, max_size=n_members)
        )
    )
    truth = np.array(data.draw(st.lists(label, min_size=n_samples, max_size=n_samples)))
    votes = Votes(labels, truth, n_classes, "search")
    subsets = np.array(list(naive.all_subsets(n_members)))
    assert_array_equal(BitPlanes.of(votes).errors(subsets), by_hand(votes, subsets))


def test_ties_go_to_the_lowest_class():
    labels = np.array([[0, 1, 2, 1], [1, 0, 0, 2]])
    both = np.ones((1, 2), bool)
    for truth, wrong in (([0, 0, 0, 1], 0), ([1, 1, 2, 2], 4), ([0, 1, 2, 1], 2)):
        assert BitPlanes.of(Votes(labels, np.array(truth), 3, "search")).errors(both) == [wrong]


def test_the_worked_example_has_one_three_way_tie_that_the_lowest_class_gets_wrong():
    truth = np.array([0, 1, 2, 0, 1, 2])
    labels = np.array([[0, 1, 2, 0, 2, 1], [0, 1, 0, 1, 1, 2], [0, 0, 2, 0, 1, 0]])
    votes = Votes(labels, truth, 3, "search")
    assert_array_equal(votes.member_errors, [2, 2, 2])
    assert BitPlanes.of(votes).errors(np.ones((1, 3), bool)) == [1]


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbours_are_the_subsets_with_one_member_flipped(shape):
    votes, subsets = drawn(*shape)
    laid_out = BitPlanes.of(votes)
    for subset in subsets[:6]:
        expected = [
            naive.errors(flip, votes.y_pred, votes.y_true, votes.n_classes) if flip.any() else votes.n_samples
            for flip in naive.flips(subset)
        ]
        assert_array_equal(laid_out.neighbour_errors(subset), expected)
        some = np.flatnonzero(np.arange(len(subset)) % 3 == 1)[::-1]
        assert_array_equal(laid_out.neighbour_errors(subset, some), np.array(expected)[some])


@pytest.mark.parametrize("shape", SHAPES)
def test_swaps_are_the_subsets_with_one_member_for_another(shape):
    votes, subsets = drawn(*shape)
    laid_out = BitPlanes.of(votes)
    for subset in subsets[:3]:
        swapped = naive.swaps(subset)
        errors = laid_out.swap_errors(subset)
        assert errors.shape == (subset.sum(), (~subset).sum())
        if swapped:
            assert_array_equal(errors.ravel(), laid_out.errors(np.array(swapped)))
            assert_array_equal(errors.ravel()[::97], by_hand(votes, swapped[::97]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_multiset_counts_its_members_as_often_as_they_are_in_it(shape):
    votes, _ = drawn(*shape)
    multiset = np.random.default_rng(3).integers(0, 4, votes.n_members)
    expected = []
    for member in range(votes.n_members):
        more = multiset.copy()
        more[member] += 1
        expected.append(naive.multiset_errors(more, votes.y_pred, votes.y_true, votes.n_classes))
    some = np.arange(len(multiset))[::-2]
    assert_array_equal(BitPlanes.of(votes).joined_errors(multiset, some), np.array(expected)[some])


@pytest.mark.parametrize("shape", [(1, 40, 3), (2, 600, 2), (7, 700, 4), (70, 130, 3)])
def test_multisets_are_ensembles_whose_members_stand_several_times(shape):
    votes, _ = drawn(*shape)
    multisets = np.random.default_rng(3).integers(0, 9, (6, votes.n_members))
    multisets[:, -1] += 1
    multisets = np.concatenate([multisets, np.eye(votes.n_members, dtype=np.int64)[:3]])
    before = multisets.copy()
    expected = [naive.multiset_errors(each, votes.y_pred, votes.y_true, votes.n_classes) for each in multisets]
    assert_array_equal(BitPlanes.of(votes).multiset_errors(multisets), expected)
    assert_array_equal(multisets, before)


def test_neighbours_of_the_whole_pool_need_no_wider_counter_than_there_is():
    """Sixteen members all right: one vote more than a counter of four bits holds."""
    for n_members in (15, 16, 31, 32):
        truth = np.zeros(70, int)
        labels = np.zeros((n_members, 70), int)
        labels[0, :35] = 1
        laid_out = BitPlanes.of(Votes(labels, truth, 2, "search"))
        assert_array_equal(laid_out.neighbour_errors(np.ones(n_members, bool)), np.zeros(n_members))


@pytest.mark.parametrize("n_threads", [2, 3, 7])
@pytest.mark.parametrize("shape", [(36, 1000, 10), (9, 5000, 3)])
def test_threads_change_nothing(monkeypatch, n_threads, shape):
    votes, subsets = drawn(*shape)
    laid_out = BitPlanes.of(votes)

    def everything():
        few = subsets[:3]
        return [
            laid_out.errors(subsets),
            laid_out.errors(few),
            laid_out.margin_counts(subsets),
            *(laid_out.neighbour_errors(subset) for subset in few),
            *(laid_out.swap_errors(subset) for subset in few),
            *(
                laid_out.neighbour_losses(subset, np.flatnonzero(~subset), lambda size: drawn_losses(size, shape[0]))
                for subset in few
            ),
        ]

    alone = everything()
    monkeypatch.setattr(planes, "THREAD_PLANES", 1)
    monkeypatch.setattr(planes, "threads", lambda: n_threads)
    for counted, expected in zip(everything(), alone, strict=True):
        assert counted.tobytes() == expected.tobytes()


def test_samples_that_all_get_right_have_no_planes_and_those_that_all_get_wrong_are_never_counted():
    labels = np.array([[0, 1, 2], [0, 1, 2]])
    laid_out = BitPlanes.of(Votes(labels, np.array([0, 2, 2]), 3, "search"))
    assert len(laid_out.order) == 1
    assert (laid_out.closest > 2).all()
    laid_out.words[:] = 0
    assert_array_equal(laid_out.errors(np.array([[True, False], [True, True]])), [1, 1])
    assert_array_equal(laid_out.neighbour_errors(np.array([True, True])), [1, 1])


def test_planes_that_are_too_large_for_memory_and_disk_are_refused(monkeypatch):
    """Every member names another class: 40 samples are one unit of 30 slots, each of 30 planes of 64 bytes."""
    labels = np.tile(np.arange(30)[:, None], (1, 40))
    votes = Votes(labels, np.zeros(40, int), 31, "search")
    size = 30 * 30 * 64
    monkeypatch.setattr(memory, "is_large", lambda wanted: wanted >= size)
    laid_out = BitPlanes.of(votes)
    assert laid_out.words.nbytes == size
    assert memory.is_in_file(laid_out.words)

    def full(descriptor, start, length):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memory.os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"the bit planes of the search split would take 0\.1 MB in a file in /"):
        BitPlanes.of(votes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.05, 0.3, 0.9, 1.0])
def test_losses_of_neighbours_are_those_of_each_alone(shape, density):
    votes, _ = drawn(*shape)
    n_members, rng = votes.n_members, np.random.default_rng(0)
    counted = BitPlanes.of(votes)
    subset = rng.random(n_members) < density
    subset[rng.integers(n_members)] = True
    # Nobody may be left alone with nobody: the last member stays.
    movers = rng.permutation(np.flatnonzero(~subset) if np.count_nonzero(subset) == 1 else np.arange(n_members))
    neighbours = np.repeat(subset[None], len(movers), axis=0)
    neighbours[np.arange(len(movers)), movers] ^= True
    if len(movers):
        expected = counted.margin_losses(neighbours, lambda size: drawn_losses(size, n_members))
        found = counted.neighbour_losses(subset, movers, lambda size: drawn_losses(size, n_members))
        assert_array_equal(found, expected)


def drawn_losses(size, n_members):
    return np.random.default_rng(size).integers(0, 1000, 2 * n_members + 1)
