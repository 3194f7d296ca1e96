"""Squared distance of the mean scores from the truth.

Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1), 1950: summed over
all classes, so that it goes from 0 to 2.
"""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.scores import FINE, share_of_each
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="0 to 2")
def brier_score(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of the squared distance of the mean scores from 1 for the truth and 0 for all others.

    Scores need not add up to 1: they are divided by their sum over the classes. If that is 0, all classes get equal
    shares.
    """
    scores = ensembles.soft_votes.totals(add_brier_scores, 1, ensembles.subsets)[:, 0]
    return np.asarray(scores / (FINE * ensembles.votes.n_samples))


@compiled
def add_brier_scores(sums: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> None:
    """Add to ``scores``, (n_subsets, 1), squared distances of the shares from the truth's 1, in units of 2^-32."""
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            distance = 0.0
            for label in range(row.size):
                off = row[label] * factor + more - (label == truth[sample])
                distance += off * off
            scores[subset, 0] += np.int64(np.rint(distance * FINE))
