"""Ways for the chosen members to vote together, one file each.

Which members belong to an ensemble is decided by then, by plurality; a combiner says how much the word of each counts.
It is a frozen dataclass, its fields are its settings, ``adds`` says whether it adds up labels or scores, and it has
``weights``: one number for each chosen member, from what they answered on the search split. For example::

    @dataclass(frozen=True)
    class Accuracy:
        \"\"\"Votes count as much as their member is right.\"\"\"

        adds: ClassVar[str] = "labels"

        def weights(self, votes, scores):
            return votes.n_samples - votes.member_errors

The file's name is the combiner's name; a dotted name is imported from anywhere. The sums are exact (see
`evo_ensyth.voting.SoftVotes`), and ties go to the lowest class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evo_ensyth import catalogue
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.voting import SoftVotes

__all__ = ["Combined", "Combiner", "cross_fitted_errors", "fit", "load", "names"]

FOLDER = "evo_ensyth.combining"


class Combiner(Protocol):
    """A way to vote together, with its settings."""

    @property
    def adds(self) -> str:
        """``labels``, or ``scores``."""
        ...

    def weights(self, votes: Votes, scores: Scores | None) -> np.ndarray:
        """How much the word of each member counts: numbers of at least 0, (n_members,).

        Parameters
        ----------
        votes : Votes
            What the chosen members answer, and nobody else.
        scores : Scores, optional
            The same for their scores; there if it adds these.
        """
        ...


@dataclass(frozen=True)
class Combined:
    """An ensemble with what the word of each member counts.

    Attributes
    ----------
    subset : bool, (n_members,)
        The chosen members.
    weights : int64 or float64, (n_members,)
        At least 0; 0 for those who were not chosen, and for chosen ones whose word is not needed.
    adds : str
        What is weighed: ``labels`` or ``scores``.
    """

    subset: np.ndarray
    weights: np.ndarray
    adds: str

    def answers(self, votes: Votes, scores: Scores | None = None) -> np.ndarray:
        """What the ensemble answers on a split: (n_samples,), type of the truth.

        Parameters
        ----------
        votes : Votes
            The whole pool's.
        scores : Scores, optional
            The whole pool's; needed if the combiner adds these.

        Raises
        ------
        InputError
            Scores are needed and missing.
        """
        voters = np.flatnonzero(self.weights)
        some_votes, some_scores = _part(votes, _needed(self.adds, votes, scores), voters, slice(None))
        soft = SoftVotes.of(some_votes if some_scores is None else some_scores)
        answers: np.ndarray = soft.winners(np.ones((1, len(voters)), bool), self.weights[None, voters])[0]
        return answers

    def errors(self, votes: Votes, scores: Scores | None = None) -> int:
        """Samples of a split on which the ensemble is wrong; parameters as for `answers`."""
        return int(np.count_nonzero(self.answers(votes, scores) != votes.truth))


def names() -> tuple[str, ...]:
    """Names of the combiners that come with the package."""
    return catalogue.names(FOLDER)


def load(name: str, settings: Mapping[str, Any] | None = None) -> Combiner:
    """Build a combiner, by name, with settings other than its defaults.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with ``weights``, or that knows no such
        setting.
    """
    combiner: Combiner = catalogue.build(FOLDER, name, "combiner", "weights", settings)
    return combiner


def fit(combiner: Combiner, votes: Votes, scores: Scores | None, subset: np.ndarray) -> Combined:
    """Weigh the members of a subset by what they answer on the search split.

    Parameters
    ----------
    combiner : Combiner
    votes : Votes
        The search split of the whole pool.
    scores : Scores, optional
        The same split; needed if the combiner adds scores.
    subset : bool, (n_members,)
        The chosen members. Where none of them earns any weight, all get the same.

    Raises
    ------
    InputError
        No subset of this pool, or an empty one; scores that are needed and missing; weights that are none.
    """
    subset = np.asarray(subset)
    if subset.dtype != np.bool_ or subset.shape != (votes.n_members,) or not subset.any():
        wanted = f"expected bool, ({votes.n_members},), with at least one member"
        raise InputError(f"the subset has type {subset.dtype} and shape {subset.shape}; {wanted}.")
    members = np.flatnonzero(subset)
    chosen = _part(votes, _needed(combiner.adds, votes, scores), members, slice(None))
    given = np.asarray(combiner.weights(*chosen))
    if given.shape != members.shape or given.dtype.kind not in "iuf" or not ((given >= 0) & (given < np.inf)).all():
        who = type(combiner).__name__
        raise InputError(
            f"{who} weighs {len(members)} members with {given}; expected {len(members)} finite numbers of at least 0."
        )
    weights = np.zeros(votes.n_members, np.float64 if given.dtype.kind == "f" else np.int64)
    weights[members] = given if given.any() else 1
    return Combined(subset, weights, combiner.adds)


def cross_fitted_errors(
    combiner: Combiner, votes: Votes, scores: Scores | None, subset: np.ndarray, folds: int = 5
) -> int:
    """Errors on samples that had no part in the weights: each fold is judged by weights that the others gave.

    An honest estimate of what the weights are worth, from the search split alone. That the members themselves were
    chosen on these samples it does not make up for.

    Parameters
    ----------
    combiner, votes, scores, subset
        As for `fit`.
    folds : int
        At least 2. Every class is dealt out evenly; nothing is drawn.

    Returns
    -------
    int
        Of all samples of the split.

    Raises
    ------
    InputError
        As for `fit`; or no such number of folds.
    """
    if not 2 <= folds <= votes.n_samples:
        raise InputError(f"{folds} folds of {votes.n_samples} samples; there are from 2 to as many as samples.")
    fold = np.empty(votes.n_samples, np.int64)
    fold[np.argsort(votes.truth, kind="stable")] = np.arange(votes.n_samples) % folds
    everybody = np.arange(votes.n_members)
    scores = _needed(combiner.adds, votes, scores)
    errors = 0
    for i in range(folds):
        fitted = fit(combiner, *_part(votes, scores, everybody, fold != i), subset)
        errors += fitted.errors(*_part(votes, scores, everybody, fold == i))
    return errors


def _needed(adds: str, votes: Votes, scores: Scores | None) -> Scores | None:
    """Scores, if they are what is added."""
    if adds == "labels":
        return None
    if scores is None:
        raise InputError(
            f"this combiner adds up scores, and of the {votes.split} split there are labels only; "
            "use one that adds up labels."
        )
    return scores


def _part(
    votes: Votes, scores: Scores | None, members: np.ndarray, samples: np.ndarray | slice
) -> tuple[Votes, Scores | None]:
    """What some members, by their numbers, answer on some samples."""
    truth = votes.truth[samples]
    some_votes = Votes(votes.labels[members][:, samples], truth, votes.n_classes, votes.split)
    if scores is None:
        return some_votes, None
    return some_votes, Scores([scores.members[i][samples] for i in members.tolist()], truth, votes.split)
