"""Predictions of members, compared 64 samples at a time, and predictions of an ensemble while it grows.

Everything here counts samples; no ensemble is evaluated.
"""

import numpy as np

from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import check_fits

WORD = 64


class Labels:
    """Rows of labels in binary, one bit plane per digit, to count where rows differ.

    Parameters
    ----------
    labels : bool or unsigned integers, (n_rows, n_samples)
    n_labels : int
        Labels are smaller than this. If no answer is one of them, as in `Votes.y_pred`, two rows agree where both have
        no answer.
    """

    def __init__(self, labels: np.ndarray, n_labels: int) -> None:
        self.n_labels = n_labels
        self._digits = _packed(labels, n_labels)

    def differences(self, row: np.ndarray) -> np.ndarray:
        """Number of samples on which each of the rows differs from a given one: int64, (n_rows,)."""
        differs = np.bitwise_or.reduce(self._digits ^ _packed(row[None], self.n_labels), axis=0)
        return np.asarray(np.bitwise_count(differs).sum(axis=1, dtype=np.int64))


class Growing:
    """An ensemble that members join one by one.

    Attributes
    ----------
    subset : bool, (n_members,)
        The members so far.
    answers : type of the labels, (n_samples,)
        Predictions of the ensemble, once it has a member; ``n_classes`` where none of its members has an answer.

    Raises
    ------
    InputError
        Counting the votes of that many samples and classes would take more than a quarter of the memory.
    """

    def __init__(self, votes: Votes) -> None:
        check_fits("the counts of votes by sample and class", 4 * votes.n_samples * votes.n_labels)
        self.subset = np.zeros(votes.n_members, bool)
        self.answers = np.full_like(votes.y_true, votes.n_labels - 1)
        self._labels, self._n_classes = votes.y_pred, votes.n_classes
        self._samples = np.arange(votes.n_samples)
        self._counts = np.zeros((votes.n_samples, votes.n_labels), np.int32)

    def join(self, member: int) -> None:
        """Add a member. Only the label it gives to a sample gains a vote, so only that label can become the winner."""
        self.subset[member] = True
        label = self._labels[member]
        self._counts[self._samples, label] += label < self._n_classes
        votes, most = self._counts[self._samples, label], self._counts[self._samples, self.answers]
        self.answers = np.where((votes > most) | ((votes == most) & (label < self.answers)), label, self.answers)


def _packed(labels: np.ndarray, n_labels: int) -> np.ndarray:
    """Pack each binary digit of the labels into bits: uint64, (n_digits, n_rows, n_words)."""
    n_rows, n_samples = labels.shape
    digits = np.zeros((max(1, (n_labels - 1).bit_length()), n_rows, -(-n_samples // WORD) * 8), np.uint8)
    for digit, packed in enumerate(digits):
        packed[:, : -(-n_samples // 8)] = np.packbits(labels & labels.dtype.type(1 << digit), axis=1)
    return digits.view(np.uint64)
