"""One member, one vote: what every other combiner is compared with."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class Plurality:
    """The class that most members name."""

    adds: ClassVar[str] = "labels"

    def weights(self, votes: Votes) -> np.ndarray:
        """Count everybody once."""
        return np.ones(votes.n_members, np.int64)
