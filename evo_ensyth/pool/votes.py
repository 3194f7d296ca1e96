"""The labels that every member gives to the samples of one split, with the truth beside them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.labels import MOST_CLASSES, Some, checked_labels
from evo_ensyth.pool.scores import Scores

EVERYTHING = slice(None)


@dataclass(frozen=True, eq=False)
class Votes:
    """What the members of a pool answer on one split. Checks itself when built, and is equal to itself alone.

    Attributes
    ----------
    y_pred : uint8 or uint16, (n_members, n_samples)
        Row i holds the labels that member i gives.
    y_true : same type, (n_samples,)
    n_classes : int
        Labels and truth are below it.
    split : str
        ``search`` or ``test``.
    read_scores : function to Scores, optional
        Fetches what the members think of every class, where somebody knows it; called when first asked.
    groups : uint16, (n_samples,), optional
        Which samples belong together, such as those of one hospital.

    Raises
    ------
    InputError
        Shapes that disagree, no sample, labels that are no whole numbers in [0, n_classes), or too many classes.
    """

    y_pred: np.ndarray
    y_true: np.ndarray
    n_classes: int
    split: str
    read_scores: Callable[[], Scores] | None = field(default=None, repr=False, compare=False)
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        labels, truth = np.asarray(self.y_pred), np.asarray(self.y_true)
        if labels.ndim != 2:
            raise InputError(f"{self.split} labels have shape {labels.shape}; expected (n_members, n_samples).")
        if truth.shape != labels.shape[1:]:
            raise InputError(f"{self.split} truth has shape {truth.shape}; the labels need {labels.shape[1:]}.")
        if labels.size == 0:
            raise InputError(f"{self.split} labels have shape {labels.shape}; there is nothing to vote on.")
        if not 1 <= self.n_classes <= MOST_CLASSES:
            raise InputError(f"there are {self.n_classes} classes; from 1 to {MOST_CLASSES} fit.")
        kind = np.uint8 if self.n_classes <= 256 else np.uint16
        object.__setattr__(self, "y_pred", checked_labels(labels, f"{self.split} labels", self.n_classes, kind))
        object.__setattr__(self, "y_true", checked_labels(truth, f"{self.split} truth", self.n_classes, kind))
        if self.groups is not None:
            groups = np.asarray(self.groups)
            if groups.shape != truth.shape:
                raise InputError(f"{self.split} groups have shape {groups.shape}; the truth has {truth.shape}.")
            groups = checked_labels(groups, f"{self.split} groups", MOST_CLASSES, np.uint16)
            object.__setattr__(self, "groups", groups)

    @property
    def n_members(self) -> int:
        """Number of members."""
        return int(self.y_pred.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.y_pred.shape[1])

    @cached_property
    def member_errors(self) -> np.ndarray:
        """int64, (n_members,): how many samples each member gets wrong on its own."""
        return np.asarray(np.count_nonzero(self.y_pred != self.y_true, axis=1))

    @cached_property
    def class_sizes(self) -> np.ndarray:
        """int64, (n_classes,): how many samples each class truly has."""
        return np.bincount(self.y_true, minlength=self.n_classes)

    @cached_property
    def scores(self) -> Scores:
        """What the members think of every class. Nothing of it is read before somebody asks.

        Raises
        ------
        InputError
            There are none, or what there is does not belong to these votes.
        """
        if self.read_scores is None:
            raise InputError(f"the {self.split} split of this pool has labels only; this takes scores: give it some.")
        scores = self.read_scores()
        if (scores.n_members, scores.n_samples) != self.y_pred.shape:
            found = f"{scores.n_members} members and {scores.n_samples} samples"
            raise InputError(f"{self.split} scores are of {found}; the labels have shape {self.y_pred.shape}.")
        return scores

    def part(self, members: Some = EVERYTHING, samples: Some = EVERYTHING, split: str = "") -> "Votes":
        """What some members answer on some samples, with the scores and groups that belong to it.

        Parameters
        ----------
        members, samples : bool, int64 or slice
            Whatever indexes an axis.
        split : str, optional
            What the part is from now on; else what it was.
        """
        split = split or self.split
        groups = None if self.groups is None else self.groups[samples]
        read_scores = self.read_scores and (lambda: self.scores.part(members, samples, split))
        labels = self.y_pred[members][:, samples]
        return Votes(labels, self.y_true[samples], self.n_classes, split, read_scores, groups)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of labels and truth: two runs with the same one looked at the same votes."""
        digest = hashlib.sha256(f"{self.y_pred.shape} {self.y_pred.dtype.str} {self.n_classes}".encode())
        digest.update(self.y_pred.data)  # as they lie in memory: no copy
        digest.update(self.y_true.data)
        return digest.hexdigest()
