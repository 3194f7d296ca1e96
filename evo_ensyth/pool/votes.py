"""The labels that members predict for the samples of one split, with the true classes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.classes import Classes
from evo_ensyth.pool.groups import coded_groups
from evo_ensyth.pool.labels import MOST_CLASSES, NO_ANSWER, Some, checked_labels, signed_labels, some_labels
from evo_ensyth.pool.memory import give_back
from evo_ensyth.pool.scores import Scores

EVERYTHING = slice(None)


@dataclass(frozen=True, eq=False)
class Votes:
    """Predictions of the members of a pool on one split, checked on construction. Compares by identity.

    A member may have no answer for some samples: holes. Give -1 there. Those who answer vote; a member is wrong where
    it has no answer, and an ensemble where none of its members has one.

    Attributes
    ----------
    y_pred : uint8 or uint16, (n_members, n_samples)
        Row i holds the labels that member i predicts, and ``n_classes`` where it has no answer.
    y_true : same type, (n_samples,)
    n_classes : int
        All labels and true classes are below this.
    split : str
        ``search`` or ``test``.
    read_scores : function to Scores, optional
        Reads the members' scores for every class, if there are any; called when scores are first used.
    groups : int64, (n_samples,), optional
        Group of each sample, such as the hospital it comes from: codes for whatever values are given.
    labels_only : bool
        Whether ``read_scores`` can only say why there are no scores.
    classes : tuple of n_classes labels
        What the labels stand for: whole numbers, booleans or text. By default the numbers themselves.

    Raises
    ------
    InputError
        Shapes do not match, there are no samples or too many classes, labels are not whole numbers in [0, n_classes) or
        -1 for no answer, or a sample has no group.
    """

    y_pred: np.ndarray
    y_true: np.ndarray
    n_classes: int
    split: str
    read_scores: Callable[[], Scores] | None = field(default=None, repr=False, compare=False)
    groups: np.ndarray | None = None
    labels_only: bool = False
    classes: Classes = ()

    def __post_init__(self) -> None:
        labels, truth = np.asarray(self.y_pred), np.asarray(self.y_true)
        if labels.ndim != 2:
            raise InputError(f"{self.split} labels have shape {labels.shape}; expected (n_members, n_samples).")
        if truth.shape != labels.shape[1:]:
            raise InputError(f"{self.split} truth has shape {truth.shape}; the labels need {labels.shape[1:]}.")
        if labels.size == 0:
            raise InputError(
                f"{self.split} labels have shape {labels.shape}; expected at least one member and one sample."
            )
        with_holes = labels.dtype.kind == "i" and labels.min() == NO_ANSWER
        most = MOST_CLASSES - with_holes
        if not 1 <= self.n_classes <= most:
            besides = " where answers are missing" if with_holes else ""
            raise InputError(f"there are {self.n_classes} classes; from 1 to {most} fit{besides}.")
        kind = np.uint8 if self.n_classes + with_holes <= 256 else np.uint16
        labels = checked_labels(labels, f"{self.split} labels", self.n_classes, kind, with_holes=with_holes)
        object.__setattr__(self, "y_pred", labels)
        object.__setattr__(self, "y_true", checked_labels(truth, f"{self.split} truth", self.n_classes, kind))
        if not self.classes:
            object.__setattr__(self, "classes", tuple(range(self.n_classes)))
        if len(self.classes) != self.n_classes:
            raise InputError(f"there are {self.n_classes} classes and {len(self.classes)} names of classes.")
        if self.groups is not None:
            shape = np.shape(self.groups)
            if shape != truth.shape:
                raise InputError(f"{self.split} groups have shape {shape}; the truth has {truth.shape}.")
            (groups,) = coded_groups({f"{self.split} groups": self.groups}).values()
            groups.setflags(write=False)
            object.__setattr__(self, "groups", groups)

    @property
    def n_members(self) -> int:
        """Number of members."""
        return int(self.y_pred.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.y_pred.shape[1])

    @property
    def has_scores(self) -> bool:
        """Whether the members give scores."""
        return self.read_scores is not None and not self.labels_only

    @cached_property
    def has_holes(self) -> bool:
        """Whether some member has no answer for some sample."""
        return bool(self.y_pred.max() == self.n_classes)

    @property
    def answered(self) -> np.ndarray:
        """bool, (n_members, n_samples): where each member has an answer."""
        return np.asarray(self.y_pred != self.n_classes)

    @cached_property
    def n_answered(self) -> np.ndarray:
        """int64, (n_members,): number of samples that each member answers."""
        return np.array([np.count_nonzero(row != self.n_classes) for row in self.y_pred])

    @property
    def n_labels(self) -> int:
        """Number of values that ``y_pred`` may hold: the classes and, if there are holes, no answer."""
        return self.n_classes + self.has_holes

    @cached_property
    def member_errors(self) -> np.ndarray:
        """int64, (n_members,): number of samples that each member gets wrong on its own, or does not answer."""
        return np.array([np.count_nonzero(row != self.y_true) for row in self.y_pred])

    @cached_property
    def class_sizes(self) -> np.ndarray:
        """int64, (n_classes,): number of samples of each true class."""
        return np.bincount(self.y_true, minlength=self.n_classes)

    @cached_property
    def scores(self) -> Scores:
        """The members' scores for every class, read on first use.

        Raises
        ------
        InputError
            There are none, or they do not match these votes.
        """
        if self.read_scores is None:
            raise InputError(
                f"the {self.split} split of this pool has labels only, and probabilities ('scores') are needed here."
            )
        scores = self.read_scores()
        if (scores.n_members, scores.n_samples) != self.y_pred.shape:
            found = f"{scores.n_members} members and {scores.n_samples} samples"
            raise InputError(f"{self.split} scores are of {found}; the labels have shape {self.y_pred.shape}.")
        return scores

    def part(self, members: Some = EVERYTHING, samples: Some = EVERYTHING, split: str = "") -> "Votes":
        """Return the votes of some members on some samples, with their scores and groups.

        Parameters
        ----------
        members, samples : bool, int64 or slice
            Index of each axis.
        split : str, optional
            Name of the split that the part becomes; unchanged if not given.
        """
        split = split or self.split
        groups = None if self.groups is None else self.groups[samples]
        read_scores = self.read_scores and (lambda: self.scores.part(members, samples, split))
        labels = some_labels(self.y_pred, members, samples)
        if self.has_holes:
            labels = signed_labels(labels, self.n_classes)
        return Votes(
            labels, self.y_true[samples], self.n_classes, split, read_scores, groups, self.labels_only, self.classes
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of labels and true classes: two runs with the same fingerprint used the same votes."""
        digest = hashlib.sha256(f"{self.y_pred.shape} {self.y_pred.dtype.str} {self.n_classes}".encode())
        for row in self.y_pred:
            digest.update(row.data)  # the buffer itself, not a copy
        give_back(self.y_pred)
        digest.update(self.y_true.data)
        return digest.hexdigest()
