"""The kernels against the oracle that counts sample by sample."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from evo_ensyth.pool import Votes
from evo_ensyth.voting import Planes, planes

SHAPES = [(1, 5, 3), (2, 64, 2), (7, 100, 4), (20, 700, 300), (36, 500, 10), (64, 129, 3), (130, 65, 5), (8, 3000, 40)]


def drawn(n_members, n_samples, n_classes, accuracy=0.6, seed=0):
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, accuracy)
    subsets = rng.random((30, n_members)) < rng.random((30, 1))
    subsets[~subsets.any(axis=1), -1] = True
    return Votes(labels, truth, n_classes, "search"), subsets


def by_hand(votes, subsets):
    return [naive.errors(subset, votes.labels, votes.truth, votes.n_classes) for subset in subsets]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("accuracy", [0.05, 0.6, 0.95])
def test_errors_equal_those_counted_by_hand(shape, accuracy):
    votes, subsets = drawn(*shape, accuracy)
    assert_array_equal(Planes.of(votes).errors(subsets), by_hand(votes, subsets))


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
    assert_array_equal(Planes.of(votes).errors(subsets), by_hand(votes, subsets))


def test_ties_go_to_the_lowest_class():
    labels = np.array([[0, 1, 2, 1], [1, 0, 0, 2]])
    both = np.ones((1, 2), bool)
    for truth, wrong in (([0, 0, 0, 1], 0), ([1, 1, 2, 2], 4), ([0, 1, 2, 1], 2)):
        assert Planes.of(Votes(labels, np.array(truth), 3, "search")).errors(both) == [wrong]


def test_the_worked_example_has_one_three_way_tie_that_the_lowest_class_gets_wrong():
    truth = np.array([0, 1, 2, 0, 1, 2])
    labels = np.array([[0, 1, 2, 0, 2, 1], [0, 1, 0, 1, 1, 2], [0, 0, 2, 0, 1, 0]])
    votes = Votes(labels, truth, 3, "search")
    assert_array_equal(votes.member_errors, [2, 2, 2])
    assert Planes.of(votes).errors(np.ones((1, 3), bool)) == [1]


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbours_are_the_subsets_with_one_member_flipped(shape):
    votes, subsets = drawn(*shape)
    laid_out = Planes.of(votes)
    for subset in subsets[:6]:
        flipped = subset ^ np.eye(len(subset), dtype=bool)
        expected = [
            naive.errors(f, votes.labels, votes.truth, votes.n_classes) if f.any() else votes.n_samples for f in flipped
        ]
        assert_array_equal(laid_out.neighbour_errors(subset), expected)


def test_neighbours_of_the_whole_pool_need_no_wider_counter_than_there_is():
    """Sixteen members all right: one vote more than a counter of four bits holds."""
    for n_members in (15, 16, 31, 32):
        truth = np.zeros(70, int)
        labels = np.zeros((n_members, 70), int)
        labels[0, :35] = 1
        laid_out = Planes.of(Votes(labels, truth, 2, "search"))
        assert_array_equal(laid_out.neighbour_errors(np.ones(n_members, bool)), np.zeros(n_members))


@pytest.mark.parametrize("block_words", [1, 8, 40])
def test_blocks_change_nothing(monkeypatch, block_words):
    votes, subsets = drawn(20, 2000, 12)
    whole = Planes.of(votes)
    monkeypatch.setattr(planes, "BLOCK_WORDS", block_words)
    cut = Planes.of(votes)
    assert len(cut.block_rows) > len(whole.block_rows)
    assert_array_equal(cut.errors(subsets), whole.errors(subsets))
    for subset in subsets[:5]:
        assert_array_equal(cut.neighbour_errors(subset), whole.neighbour_errors(subset))


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_threads_change_nothing(monkeypatch, n_threads):
    votes, subsets = drawn(36, 1000, 10)
    laid_out = Planes.of(votes)
    alone = laid_out._count(subsets)
    monkeypatch.setattr(planes, "THREAD_WORDS", 1)
    monkeypatch.setattr(planes, "threads", lambda: n_threads)
    assert_array_equal(laid_out.errors(subsets), alone)


def test_samples_that_no_subset_changes_have_no_planes():
    labels = np.array([[0, 1, 2], [0, 1, 2]])
    laid_out = Planes.of(Votes(labels, np.array([0, 2, 2]), 3, "search"))
    assert laid_out.words.size == 0
    assert laid_out.settled == 1
    assert_array_equal(laid_out.errors(np.array([[True, False], [True, True]])), [1, 1])
    assert_array_equal(laid_out.neighbour_errors(np.array([True, True])), [1, 1])
