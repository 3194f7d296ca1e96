"""The class with the largest mean score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class SoftVote:
    """A member that is sure says more than one that is torn.

    Notes
    -----
    Scores are added as they are. Members whose scores are larger than those of others, because they are no
    probabilities, have more to say.
    """

    adds: ClassVar[str] = "scores"

    def weights(self, votes: Votes) -> np.ndarray:
        """Count everybody once."""
        return np.ones(votes.n_members, np.int64)
