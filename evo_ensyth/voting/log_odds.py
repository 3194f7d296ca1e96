"""Votes weighted by the log-odds that a member is right.

Shapley, Grofman, "Optimizing group judgmental accuracy in the presence of interdependencies", Public Choice 43, 1984,
for two classes; Kuncheva, "Combining Pattern Classifiers", 2004, section 4.3, for more.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class LogOdds:
    """Log-odds of being right: the optimal weights for members that err independently of each other.

    Notes
    -----
    With K classes among the samples the weight is log(p / (1 - p)) + log(K - 1). This follows from Bayes' rule if the
    errors of a member are spread evenly over the K - 1 wrong classes; for two classes it is the weight of Shapley and
    Grofman. The share p of correct predictions among the n samples that a member answers is smoothed, (right + 1) /
    (n + 2), so that all weights are finite. Members that are no better than a guess, p <= 1/K, get weight 0 rather than
    a negative one.
    """

    adds: ClassVar[str] = "labels"
    alone: ClassVar[bool] = True

    def weights(self, votes: Votes) -> np.ndarray:
        """Weight each member by its own errors."""
        wrong_classes = max(1, np.count_nonzero(votes.class_sizes) - 1)
        right = (votes.n_samples - votes.member_errors).tolist()
        odds = [(n_right + 1) / (n - n_right + 1) for n_right, n in zip(right, votes.n_answered.tolist(), strict=True)]
        return np.array([max(0.0, math.log(each * wrong_classes)) for each in odds])
