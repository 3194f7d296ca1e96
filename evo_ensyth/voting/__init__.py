"""Vote rules: how the members of an ensemble decide together, one file each.

A problem has one vote rule, by which its ensembles are searched, judged, recommended and handed over. A rule is a
frozen dataclass whose fields are its settings. ``adds`` states what the members add up: ``labels``, ``scores``, or
``both``. ``weights`` returns one number per member, computed from the predictions on the search split. The class with
the largest weighted sum wins; ties go to the lowest class. For example::

    from dataclasses import dataclass
    from typing import ClassVar

    @dataclass(frozen=True)
    class Accuracy:
        \"\"\"Weights each vote by the number of samples its member gets right.\"\"\"

        adds: ClassVar[str] = "labels"
        alone: ClassVar[bool] = True

        def weights(self, votes):
            return votes.n_samples - votes.member_errors

A rule may also have:

- ``alone``, true where the weight of a member does not depend on the other members. Such a rule is fitted once for the
  whole pool, and thousands of ensembles a second are judged by it. Otherwise it is fitted to each ensemble.
- ``temper``, a setting: whether scores are tempered before they are added (see `Plurality` for tempering).
- ``criterion``, the name of the objective that leads a search by default; ``smoothed_error`` if it has none.

A rule is named after its file: ``soft``. Its class is an attribute of this package: ``voting.Soft()``. A dotted name is
imported from anywhere. Whatever is fitted is fitted to the search split only.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.pool import Votes
from evo_ensyth.voting._ensemble_vote import EnsembleVote, plain_plurality
from evo_ensyth.voting._fitted import FittedVote, fit

__all__ = [
    "EnsembleVote",
    "FittedVote",
    "VoteRule",
    "criterion_of",
    "describe",
    "fit",
    "load",
    "names",
    "plain_plurality",
]

FOLDER = "evo_ensyth.voting"


class VoteRule(Protocol):
    """A way to vote, with its settings."""

    @property
    def adds(self) -> str:
        """``labels``, ``scores`` or ``both``."""
        ...

    def weights(self, votes: Votes) -> np.ndarray:
        """Weight of each member: non-negative numbers, (n_members,).

        Parameters
        ----------
        votes : Votes
            Predictions on the search split of the members that vote, with their scores if the rule adds scores.
        """
        ...


def names() -> tuple[str, ...]:
    """Names of the vote rules that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One-line description of each vote rule that comes with the package, by name."""
    return plugins.describe(FOLDER)


def load(wanted: str | VoteRule | type[VoteRule], settings: Mapping[str, Any] | None = None) -> VoteRule:
    """Create a vote rule from its name or its class; an instance is returned unchanged.

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
        it does not allow, or an object that is not a vote rule.
    """
    rule: VoteRule = plugins.make(FOLDER, wanted, "vote", "weights", settings)
    return rule


def criterion_of(rule: VoteRule) -> str:
    """Name of the objective that leads a search by this rule unless the user names others."""
    return getattr(rule, "criterion", "smoothed_error")


def __getattr__(name: str) -> Any:
    """Import the class of a vote rule on first access: `LogOdds` from ``log_odds.py``."""
    return plugins.class_of(FOLDER, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.class_names(FOLDER)})
