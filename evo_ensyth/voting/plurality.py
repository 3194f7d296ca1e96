"""One member, one vote: the class with the most votes wins."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class Plurality:
    """Predicts the class with the most votes; ties are broken by a second sum.

    Attributes
    ----------
    ties : str
        What breaks ties between classes with equally many votes. ``scores``: the larger sum of the members'
        probabilities. ``log_odds``: the larger sum of the log-odds of being right over the members that vote for the
        class; see `LogOdds`. ``lowest``: the lowest class, which also decides between equal sums. ``auto``: ``scores``
        if the pool has scores, otherwise ``log_odds``.
    temper : bool
        Whether probabilities are tempered before they are added: raised to the power 1/T and normalised, with the T
        that makes them most likely on the search split, one T per member.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, on temperatures.
    """

    adds: ClassVar[str] = "labels"
    alone: ClassVar[bool] = True
    ties: str = setting("auto", one_of=("auto", "scores", "log_odds", "lowest"))
    temper: bool = True

    def __post_init__(self) -> None:
        check_settings(self)

    def weights(self, votes: Votes) -> np.ndarray:
        """Give every member the same weight."""
        return np.ones(votes.n_members, np.int64)
