"""Votes check themselves, choose the smallest type, and have a fingerprint."""

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes

LABELS = np.array([[0, 1, 2, 1], [2, 1, 2, 0]])
TRUTH = np.array([0, 1, 1, 1])


def test_member_errors_are_counted_by_hand():
    votes = Votes(LABELS, TRUTH, 3, "search")
    assert (votes.n_members, votes.n_samples) == (2, 4)
    assert votes.member_errors.tolist() == [1, 3]


@pytest.mark.parametrize(("n_classes", "kind"), [(1, "uint8"), (256, "uint8"), (257, "uint16"), (65_536, "uint16")])
def test_labels_take_the_smallest_type_that_holds_all_classes(n_classes, kind):
    labels = np.array([[0, n_classes - 1]])
    votes = Votes(labels, labels[0], n_classes, "search")
    assert votes.y_pred.dtype == votes.y_true.dtype == kind
    assert votes.y_pred.tolist() == labels.tolist()


def test_votes_cannot_be_changed_behind_their_fingerprint():
    own = LABELS.astype(np.uint8)
    votes = Votes(own, TRUTH.astype(np.uint8), 3, "search")
    own[0, 0] = 2
    assert votes.y_pred.tolist() == LABELS.tolist()
    with pytest.raises(ValueError, match="read-only"):
        votes.y_pred[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        votes.y_true[0] = 1


def test_labels_are_contiguous_whatever_they_came_as():
    votes = Votes(np.asfortranarray(LABELS)[:, ::2], TRUTH[::2], 3, "search")
    assert votes.y_pred.flags.c_contiguous
    assert votes.y_pred.tolist() == [[0, 2], [2, 2]]


def test_the_fingerprint_knows_labels_truth_shape_and_classes_but_not_the_split():
    reference = Votes(LABELS, TRUTH, 3, "search").fingerprint
    assert Votes(LABELS.astype(np.int8), TRUTH, 3, "test").fingerprint == reference
    others = [
        Votes(LABELS[::-1], TRUTH, 3, "search"),
        Votes(LABELS, TRUTH[::-1], 3, "search"),
        Votes(LABELS, TRUTH, 4, "search"),
        Votes(LABELS[:, :2], TRUTH[:2], 3, "search"),
    ]
    assert len({reference, *(votes.fingerprint for votes in others)}) == 5


@pytest.mark.parametrize(
    ("labels", "truth", "n_classes", "message"),
    [
        (TRUTH, TRUTH, 3, r"search labels have shape \(4,\); expected \(n_members, n_samples\)"),
        (LABELS, TRUTH[:3], 3, r"search truth has shape \(3,\); the labels need \(4,\)"),
        (LABELS[:, :0], TRUTH[:0], 3, "expected at least one member and one sample"),
        (LABELS[:0], TRUTH, 3, "expected at least one member and one sample"),
        (LABELS, TRUTH, 0, "there are 0 classes; from 1 to 65536 fit"),
        (LABELS, TRUTH, 65_537, "there are 65537 classes; from 1 to 65536 fit"),
        (LABELS, TRUTH, 2, "search labels hold 2; with 2 classes they go from 0 to 1"),
        (LABELS, TRUTH + 2, 3, "search truth hold 3; with 3 classes they go from 0 to 2"),
        (LABELS - 2, TRUTH, 3, "search labels hold -2"),
        (LABELS + 0.5, TRUTH, 3, "search labels have type float64; they must be whole numbers"),
    ],
)
def test_votes_that_cannot_be_are_refused(labels, truth, n_classes, message):
    with pytest.raises(InputError, match=message):
        Votes(labels, truth, n_classes, "search")


def test_a_part_has_the_labels_scores_and_groups_of_its_members_and_samples():
    labels, truth = np.array([[0, 1, 2, 0], [2, 2, 1, 0], [1, 1, 1, 1]]), np.array([0, 1, 1, 2])
    scores = np.arange(36.0).reshape(3, 4, 3)
    votes = Votes(labels, truth, 3, "search", lambda: Scores(scores, truth, "search"), np.array([7, 7, 8, 9]))
    members, samples = np.array([2, 0]), np.array([True, False, False, True])
    part = votes.part(members, samples, "test")
    np.testing.assert_array_equal(part.y_pred, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(part.y_true, [0, 2])
    np.testing.assert_array_equal(part.groups, [7, 9])
    np.testing.assert_array_equal(part.scores.members, scores[members][:, samples])
    assert (part.split, part.scores.split, part.n_classes) == ("test", "test", 3)
    assert votes.part(samples=slice(1)).split == "search"


def test_a_part_of_votes_without_scores_or_groups_has_none_either():
    part = Votes(np.zeros((2, 3), int), np.zeros(3, int), 1, "search").part(samples=slice(2))
    assert part.groups is None
    with pytest.raises(InputError, match="labels only"):
        part.scores  # noqa: B018
