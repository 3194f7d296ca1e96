"""Half a vote for the predicted class, half the tempered probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class Half:
    """Adds a vote and the probabilities of each member in equal parts: between `Plurality` and `Soft`.

    Attributes
    ----------
    temper : bool
        Whether probabilities are tempered before they are added; see `Plurality`.
    """

    adds: ClassVar[str] = "both"
    alone: ClassVar[bool] = True
    criterion: ClassVar[str] = "brier_score"
    temper: bool = setting(True)

    def __post_init__(self) -> None:
        check_settings(self)

    def weights(self, votes: Votes) -> np.ndarray:
        """Give every member the same weight."""
        return np.ones(votes.n_members, np.int64)
