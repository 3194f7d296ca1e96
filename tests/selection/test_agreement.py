"""Where rows differ, and what a growing ensemble answers, as by hand."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes, memory
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.selection.agreement import Growing, Labels


@pytest.mark.parametrize(("n_classes", "kind"), [(1, np.uint8), (2, np.uint8), (5, np.uint8), (700, np.uint16)])
@pytest.mark.parametrize("n_samples", [1, 63, 64, 130])
def test_differences_are_counted_as_by_hand(n_classes, kind, n_samples):
    labels = np.random.default_rng(n_samples).integers(0, n_classes, (6, n_samples)).astype(kind)
    rows = Labels(labels, n_classes)
    for row in labels:
        expected = [sum(a != b for a, b in zip(other, row, strict=True)) for other in labels.tolist()]
        assert_array_equal(rows.differences(row), expected)


def test_rows_may_be_true_or_false():
    right = np.array([[True, False, True], [True, True, True]])
    assert_array_equal(Labels(right, 2).differences(right[0]), [0, 1])


@pytest.mark.parametrize("n_classes", [2, 3, 9])
def test_a_growing_ensemble_answers_by_plurality(n_classes):
    rng = np.random.default_rng(n_classes)
    labels, truth = naive.random_votes(rng, 9, 200, n_classes, 0.3)
    ensemble = Growing(Votes(labels, truth, n_classes, "search"))
    for member in rng.permutation(9):
        ensemble.join(int(member))
        assert_array_equal(ensemble.answers, naive.plurality(ensemble.subset, labels, n_classes))


@pytest.mark.parametrize("n_classes", [1, 2, 3, 256])
def test_members_that_do_not_answer_leave_a_growing_ensemble_as_it_is(n_classes):
    rng = np.random.default_rng(n_classes)
    labels, truth = naive.random_votes(rng, 7, 200, n_classes, 0.3)
    labels = naive.silenced(rng, labels, 0.6)
    votes = Votes(labels, truth, n_classes, "search")
    ensemble = Growing(votes)
    for member in rng.permutation(7):
        ensemble.join(int(member))
        by_hand = naive.plurality(ensemble.subset, labels, n_classes)
        assert_array_equal(signed_labels(ensemble.answers, n_classes), by_hand)
    expected = [np.count_nonzero(row != labels[0]) for row in labels]
    assert_array_equal(Labels(votes.y_pred, votes.n_labels).differences(votes.y_pred[0]), expected)


def test_counts_that_do_not_fit_are_refused(monkeypatch):
    labels, truth = naive.random_votes(np.random.default_rng(0), 3, 50, 4)
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 28)
    with pytest.raises(InputError, match=r"the counts of votes by sample and class would take"):
        Growing(Votes(labels, truth, 4, "search"))
