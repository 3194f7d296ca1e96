"""Ways to combine the votes of the selected members, one file each.

The members of an ensemble are selected by plurality votes; a combiner then sets the weight of each member's vote. It is
a frozen dataclass whose fields are its settings. ``adds`` states whether it adds labels or scores. ``weights`` returns
one number per selected member, computed from the predictions on the search split. For example::

    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True)
    class Accuracy:
        \"\"\"Weights each vote by the number of samples its member gets right.\"\"\"

        adds: ClassVar[str] = "labels"

        def weights(self, votes):
            return votes.n_samples - votes.member_errors

A combiner is named after its file: ``soft_vote``. Its class is an attribute of this package: ``combining.SoftVote()``.
A dotted name is imported from anywhere. The sums are exact (see `evo_ensyth.engine.SoftVotes`); ties go to the lowest
class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.engine import SoftVotes
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes

__all__ = ["Combined", "Combiner", "cross_fitted_errors", "describe", "fit", "load", "names"]

FOLDER = "evo_ensyth.combining"


class Combiner(Protocol):
    """A way to combine votes, with its settings."""

    @property
    def adds(self) -> str:
        """``labels``, or ``scores``."""
        ...

    def weights(self, votes: Votes) -> np.ndarray:
        """Weight of each member's vote: non-negative numbers, (n_members,).

        Parameters
        ----------
        votes : Votes
            Predictions of the selected members only, with their scores if the combiner adds scores.
        """
        ...


@dataclass(frozen=True)
class Combined:
    """An ensemble with the weights of its members.

    Attributes
    ----------
    subset : bool, (n_members,)
        The selected members.
    weights : int64 or float64, (n_members,)
        Non-negative; 0 for members that were not selected, and possibly for some that were.
    adds : str
        What is weighted: ``labels`` or ``scores``.
    """

    subset: np.ndarray
    weights: np.ndarray
    adds: str

    def answers(self, votes: Votes) -> np.ndarray:
        """Predictions of the ensemble on a split: (n_samples,), type of the true labels.

        Parameters
        ----------
        votes : Votes
            Votes of the whole pool.

        Raises
        ------
        InputError
            Scores are needed but not available.
        """
        voters = np.flatnonzero(self.weights)
        theirs = votes.part(voters)
        soft = SoftVotes.of(theirs.scores if self.adds == "scores" else theirs)
        answers: np.ndarray = soft.predictions(np.ones((1, len(voters)), bool), self.weights[None, voters])[0]
        return answers

    def errors(self, votes: Votes) -> int:
        """Number of errors of the ensemble on a split; parameters and errors as for `answers`."""
        return int(np.count_nonzero(self.answers(votes) != votes.y_true))


def names() -> tuple[str, ...]:
    """Names of the combiners that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One-line description of each combiner that comes with the package, by name."""
    return plugins.describe(FOLDER)


def load(wanted: str | Combiner | type[Combiner], settings: Mapping[str, Any] | None = None) -> Combiner:
    """Create a combiner from its name or its class; an instance is returned unchanged.

    Parameters
    ----------
    wanted : str, class or instance
        A name of `names`, or a dotted name such as ``mylab.median``.
    settings : mapping, optional
        Settings other than the defaults, for a name or a class.

    Raises
    ------
    InputError
        Unknown name, a module that does not have exactly one class with ``weights``, an unknown setting or a value that
        it does not allow, or an object that is not a combiner.
    """
    combiner: Combiner = plugins.make(FOLDER, wanted, "combiner", "weights", settings)
    return combiner


def __getattr__(name: str) -> Any:
    """Import the class of a combiner on first access: `SoftVote` from ``soft_vote.py``."""
    return plugins.class_of(FOLDER, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.class_names(FOLDER)})


def fit(combiner: Combiner, votes: Votes, subset: np.ndarray) -> Combined:
    """Weight the members of a subset by their predictions on the search split.

    Parameters
    ----------
    combiner : Combiner
    votes : Votes
        The search split of the whole pool.
    subset : bool, (n_members,)
        The selected members. If all of their weights are 0, all get the same weight.

    Raises
    ------
    InputError
        Not a subset of this pool, or an empty one; scores that are needed but not available; invalid weights.
    """
    subset = np.asarray(subset)
    if subset.dtype != np.bool_ or subset.shape != (votes.n_members,) or not subset.any():
        wanted = f"expected bool, ({votes.n_members},), with at least one member"
        raise InputError(f"the subset has type {subset.dtype} and shape {subset.shape}; {wanted}.")
    members = np.flatnonzero(subset)
    given = np.asarray(combiner.weights(votes.part(members)))
    if given.shape != members.shape or given.dtype.kind not in "iuf" or not ((given >= 0) & (given < np.inf)).all():
        name = type(combiner).__name__
        raise InputError(
            f"{name} weighs {len(members)} members with {given}; expected {len(members)} finite numbers of at least 0."
        )
    weights = np.zeros(votes.n_members, np.float64 if given.dtype.kind == "f" else np.int64)
    weights[members] = given if given.any() else 1
    return Combined(subset, weights, combiner.adds)


def cross_fitted_errors(combiner: Combiner, votes: Votes, subset: np.ndarray, folds: int = 5) -> int:
    """Number of cross-fitted errors: each fold is evaluated with weights computed from the other folds.

    An honest estimate of the effect of the weights, from the search split alone. It does not correct for the selection
    of the members on the same samples.

    Parameters
    ----------
    combiner, votes, subset
        As for `fit`.
    folds : int
        At least 2. Every class is spread evenly over the folds, without randomness.

    Returns
    -------
    int
        Number of errors among all samples of the split.

    Raises
    ------
    InputError
        As for `fit`, or an invalid number of folds.
    """
    if not 2 <= folds <= votes.n_samples:
        raise InputError(f"{folds} folds of {votes.n_samples} samples; there are from 2 to as many as samples.")
    fold = np.empty(votes.n_samples, np.int64)
    fold[np.argsort(votes.y_true, kind="stable")] = np.arange(votes.n_samples) % folds
    fits = (fit(combiner, votes.part(samples=fold != i), subset) for i in range(folds))
    return sum(fitted.errors(votes.part(samples=fold == i)) for i, fitted in enumerate(fits))
