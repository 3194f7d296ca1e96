"""The class with the largest sum of tempered probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class Soft:
    """Adds the probabilities of the members, so that confident members count more.

    Attributes
    ----------
    temper : bool
        Whether probabilities are tempered before they are added; see `Plurality`. Scores are divided by their sum over
        the classes in either case, so a common factor does not matter.
    """

    adds: ClassVar[str] = "scores"
    alone: ClassVar[bool] = True
    criterion: ClassVar[str] = "brier_score"
    temper: bool = setting(True)

    def __post_init__(self) -> None:
        check_settings(self)

    def weights(self, votes: Votes) -> np.ndarray:
        """Give every member the same weight."""
        return np.ones(votes.n_members, np.int64)
