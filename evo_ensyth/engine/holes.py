"""The samples that members do not answer, to count those that nobody in an ensemble answers."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.kernels.holes import count_unanswered
from evo_ensyth.pool import Votes

WORD = 64


@dataclass(frozen=True)
class Holes:
    """Holes of a pool on one split, as bits.

    Attributes
    ----------
    words : uint64, (n_members, n_words)
        Bits of the samples that each member does not answer; only samples that some member does not answer have one.
    """

    words: np.ndarray

    @classmethod
    def of(cls, votes: Votes) -> "Holes":
        """Collect the holes of a split."""
        if not votes.has_holes:
            return cls(np.zeros((votes.n_members, 0), np.uint64))
        some = np.zeros(votes.n_samples, bool)
        for labels in votes.y_pred:
            some |= labels == votes.n_classes
        n_samples = np.count_nonzero(some)
        packed = np.zeros((votes.n_members, -(-n_samples // WORD) * 8), np.uint8)
        for bits, labels in zip(packed, votes.y_pred, strict=True):
            bits[: -(-n_samples // 8)] = np.packbits((labels == votes.n_classes)[some])
        return cls(packed.view(np.uint64))

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.words.shape[1])

    def unanswered(self, subsets: np.ndarray) -> np.ndarray:
        """Count the samples that no member of each subset answers.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.

        Returns
        -------
        int64, (n_subsets,)
        """
        return np.asarray(count_unanswered(self.words, np.ascontiguousarray(subsets)))
