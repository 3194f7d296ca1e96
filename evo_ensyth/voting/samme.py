"""Boosting (SAMME) among the selected members: weight goes to those that are right where others fail.

Zhu, Zou, Rosset, Hastie, "Multi-class AdaBoost", Statistics and Its Interface 2, 2009: algorithm SAMME, in which each
round trains a new classifier; here a round takes one of the selected members, and may take the same one again.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Votes


@dataclass(frozen=True)
class SAMME:
    """Stage-wise weights: every round increases the weight of the samples on which its member was wrong.

    Attributes
    ----------
    rounds : int
        Largest number of rounds; fewer if no member is better than a guess any more.

    Notes
    -----
    A member without errors ends the rounds, because its weight would be infinite.
    """

    adds: ClassVar[str] = "labels"
    rounds: int = setting(50, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def weights(self, votes: Votes) -> np.ndarray:
        """Sum of the votes that each member gets, round by round."""
        wrong = votes.y_pred != votes.y_true
        wrong_classes = max(1, int(np.count_nonzero(votes.class_sizes)) - 1)
        heaviness = np.full(votes.n_samples, 1 / votes.n_samples)
        weights = np.zeros(votes.n_members)
        for _ in range(self.rounds):
            # Not wrong @ heaviness: BLAS may add in a different order on another machine.
            errors = np.where(wrong, heaviness, 0.0).sum(axis=1)
            best = int(errors.argmin())
            error = float(errors[best])
            if error == 0:
                weights[best] += 1
                break
            odds = (1 - error) / error * wrong_classes
            if odds <= 1:
                break
            weights[best] += math.log(odds)  # equation for alpha in step 2 (c)
            heaviness[wrong[best]] *= odds
            heaviness /= heaviness.sum()
        return weights
