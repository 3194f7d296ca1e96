"""The class with the largest mean score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class SoftVote:
    """Adds the scores of the members, so that confident members count more.

    Notes
    -----
    Scores are added without normalisation. Members with larger scores than others, because they are not probabilities,
    have more influence.
    """

    adds: ClassVar[str] = "scores"

    def weights(self, votes: Votes) -> np.ndarray:
        """Give every member the same weight."""
        return np.ones(votes.n_members, np.int64)
