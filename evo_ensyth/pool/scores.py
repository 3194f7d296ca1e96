"""The scores that members give to each class on one split, in memory or on disk, with the true classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.labels import MOST_CLASSES, Some, checked_labels
from evo_ensyth.pool.memory import give_back

# Number of scores to check at once.
CHECKED = 2**20


@dataclass(frozen=True)
class Scores:
    """Scores of the members of a pool for every class on one split, checked on construction.

    Unlike labels, scores are not copied, because they may be larger than memory. Do not change them afterwards: they
    are not checked again.

    Attributes
    ----------
    members : tuple of n_members arrays, (n_samples, n_classes)
        Finite numbers of at most 64 bits, at least 0; each array may be memory-mapped (`numpy.memmap`). A single array,
        (n_members, n_samples, n_classes), is accepted as well.
    y_true : uint8 or uint16, (n_samples,)
    split : str
        ``search`` or ``test``.
    largest : float
        The largest of all scores; computed on construction.

    Raises
    ------
    InputError
        Shapes do not match, there are no scores or too many classes, or scores are not numbers, negative or not finite.
    """

    members: Sequence[np.ndarray] | np.ndarray
    y_true: np.ndarray
    split: str
    largest: float = field(init=False)

    def __post_init__(self) -> None:
        if isinstance(self.members, np.ndarray) and self.members.ndim != 3:
            wanted = "(n_members, n_samples, n_classes)"
            raise InputError(f"{self.split} scores have shape {self.members.shape}; expected {wanted}.")
        # Not asarray: it would turn a memmap into a plain array, and a debugger should show the memmap.
        members = tuple(np.asanyarray(member) for member in self.members)
        if not members:
            raise InputError(f"{self.split} scores hold no member.")
        object.__setattr__(self, "members", members)
        self._check_shapes()
        truth = np.asarray(self.y_true)
        if truth.shape != (self.n_samples,):
            raise InputError(f"{self.split} truth has shape {truth.shape}; the scores need ({self.n_samples},).")
        kind = np.uint8 if self.n_classes <= 256 else np.uint16
        object.__setattr__(self, "y_true", checked_labels(truth, f"{self.split} truth", self.n_classes, kind))
        object.__setattr__(self, "largest", max(self._largest(i) for i in range(self.n_members)))

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.members)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.members[0].shape[0])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.members[0].shape[1])

    def part(self, members: Some, samples: Some, split: str) -> "Scores":
        """Return the scores of some members on some samples; see `Votes.part`."""
        chosen = np.arange(self.n_members)[members].tolist()
        return Scores([self.members[i][samples] for i in chosen], self.y_true[samples], split)

    def _check_shapes(self) -> None:
        first = self.members[0].shape
        for i, member in enumerate(self.members):
            if member.ndim != 2:
                wanted = "(n_samples, n_classes)"
                raise InputError(f"{self.split} scores of member {i} have shape {member.shape}; expected {wanted}.")
            if member.shape != first:
                raise InputError(f"{self.split} scores of member {i} have shape {member.shape}; member 0 has {first}.")
            if member.dtype.kind not in "fiu" or member.dtype.itemsize > 8:
                wanted = "they must be numbers of 64 bits or fewer"
                raise InputError(f"{self.split} scores of member {i} have type {member.dtype}; {wanted}.")
        if 0 in first:
            raise InputError(
                f"{self.split} scores of member 0 have shape {first}; expected at least one sample and one class."
            )
        if first[1] > MOST_CLASSES:
            raise InputError(f"there are {first[1]} classes; from 1 to {MOST_CLASSES} fit.")

    def _largest(self, i: int) -> float:
        """Largest score of member i, after checking all its scores."""
        rows = max(1, CHECKED // self.n_classes)
        largest = 0.0
        for start in range(0, self.n_samples, rows):
            scores = np.asarray(self.members[i][start : start + rows])
            with np.errstate(invalid="ignore"):  # signalling NaN
                low, high = scores.min(), scores.max()
                if not (low >= 0 and high < np.inf):  # True for NaN as well
                    sample, column = np.argwhere(~((scores >= 0) & (scores < np.inf)))[0]
                    wrong = scores[sample, column]
                    raise InputError(
                        f"{self.split} scores hold {wrong:g} (member {i}, sample {start + sample}, class {column}); "
                        "they are finite and at least 0."
                    )
            largest = max(largest, float(high))
        give_back(self.members[i])
        return largest


def both_columns(scores: np.ndarray, what: str) -> np.ndarray:
    """Scores of both classes where there is one column, the chance of the second; other scores as they are.

    Parameters
    ----------
    scores : (n_samples, n_columns)
        NaN where there is no answer.
    what : str
        Begins the message.

    Raises
    ------
    InputError
        A chance is above 1 or below 0.
    """
    if scores.shape[1] != 1 or scores.dtype.kind not in "fiu":
        return scores
    wrong = (scores < 0) | (scores > 1)
    if wrong.any():
        sample = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{what} has one column of scores, the chance of the second of two classes, and holds "
            f"{scores[sample, 0]:g} (sample {sample}); chances lie between 0 and 1."
        )
    return np.concatenate([1 - scores, scores], axis=1)
