"""Ways for the chosen members to vote together, one file each.

The members of an ensemble are chosen by plurality votes; a combiner then says how much each member's vote counts. It
is a frozen dataclass; its fields are its settings. ``adds`` says whether it adds up labels or scores. ``weights`` gives
one number for each chosen member, from its predictions on the search split. For example::

    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True)
    class Accuracy:
        \"\"\"A vote counts as often as its member is right.\"\"\"

        adds: ClassVar[str] = "labels"

        def weights(self, votes):
            return votes.n_samples - votes.member_errors

The file's name is the combiner's name: ``soft_vote``. Its class is an attribute here: ``combining.SoftVote()``. A
dotted name is imported from anywhere. The sums are exact (see `evo_ensyth.engine.SoftVotes`); ties go to the lowest
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
    """A way to vote together, with its settings."""

    @property
    def adds(self) -> str:
        """``labels``, or ``scores``."""
        ...

    def weights(self, votes: Votes) -> np.ndarray:
        """How much the word of each member counts: numbers of at least 0, (n_members,).

        Parameters
        ----------
        votes : Votes
            What the chosen members answer, and nobody else, with their scores if it adds these.
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

    def answers(self, votes: Votes) -> np.ndarray:
        """What the ensemble answers on a split: (n_samples,), type of the truth.

        Parameters
        ----------
        votes : Votes
            The whole pool's.

        Raises
        ------
        InputError
            Scores are needed, and there are none.
        """
        voters = np.flatnonzero(self.weights)
        theirs = votes.part(voters)
        soft = SoftVotes.of(theirs.scores if self.adds == "scores" else theirs)
        answers: np.ndarray = soft.predictions(np.ones((1, len(voters)), bool), self.weights[None, voters])[0]
        return answers

    def errors(self, votes: Votes) -> int:
        """Samples of a split on which the ensemble is wrong; as for `answers`."""
        return int(np.count_nonzero(self.answers(votes) != votes.y_true))


def names() -> tuple[str, ...]:
    """Names of the combiners that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One line about each combiner that comes with the package, by name."""
    return plugins.describe(FOLDER)


def load(wanted: str | Combiner | type[Combiner], settings: Mapping[str, Any] | None = None) -> Combiner:
    """Make a combiner from its name or its class; an instance comes back as it is.

    Parameters
    ----------
    wanted : str, class or instance
        A name of `names`, or a dotted name such as ``mylab.median``.
    settings : mapping, optional
        Settings other than the defaults, for a name or a class.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with ``weights``, the class knows no such
        setting or not with that value, or what is wanted is no combiner.
    """
    combiner: Combiner = plugins.make(FOLDER, wanted, "combiner", "weights", settings)
    return combiner


def __getattr__(name: str) -> Any:
    """Find the class of a combiner, `SoftVote` in ``soft_vote.py``, when it is first asked for."""
    return plugins.class_of(FOLDER, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.class_names(FOLDER)})


def fit(combiner: Combiner, votes: Votes, subset: np.ndarray) -> Combined:
    """Weigh the members of a subset by what they answer on the search split.

    Parameters
    ----------
    combiner : Combiner
    votes : Votes
        The search split of the whole pool.
    subset : bool, (n_members,)
        The chosen members. Where none of them earns any weight, all get the same.

    Raises
    ------
    InputError
        No subset of this pool, or an empty one; scores that are needed, and there are none; weights that are none.
    """
    subset = np.asarray(subset)
    if subset.dtype != np.bool_ or subset.shape != (votes.n_members,) or not subset.any():
        wanted = f"expected bool, ({votes.n_members},), with at least one member"
        raise InputError(f"the subset has type {subset.dtype} and shape {subset.shape}; {wanted}.")
    members = np.flatnonzero(subset)
    given = np.asarray(combiner.weights(votes.part(members)))
    if given.shape != members.shape or given.dtype.kind not in "iuf" or not ((given >= 0) & (given < np.inf)).all():
        who = type(combiner).__name__
        raise InputError(
            f"{who} weighs {len(members)} members with {given}; expected {len(members)} finite numbers of at least 0."
        )
    weights = np.zeros(votes.n_members, np.float64 if given.dtype.kind == "f" else np.int64)
    weights[members] = given if given.any() else 1
    return Combined(subset, weights, combiner.adds)


def cross_fitted_errors(combiner: Combiner, votes: Votes, subset: np.ndarray, folds: int = 5) -> int:
    """Errors on samples that had no part in the weights: each fold is evaluated by weights that the others gave.

    An honest estimate of what the weights are worth, from the search split alone. That the members themselves were
    chosen on these samples it does not make up for.

    Parameters
    ----------
    combiner, votes, subset
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
    fold[np.argsort(votes.y_true, kind="stable")] = np.arange(votes.n_samples) % folds
    fits = (fit(combiner, votes.part(samples=fold != i), subset) for i in range(folds))
    return sum(fitted.errors(votes.part(samples=fold == i)) for i, fitted in enumerate(fits))
