"""One member, one vote: the reference for all other combiners."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class Plurality:
    """Predicts the class with the most votes."""

    adds: ClassVar[str] = "labels"

    def weights(self, votes: Votes) -> np.ndarray:
        """Give every member the same weight."""
        return np.ones(votes.n_members, np.int64)
