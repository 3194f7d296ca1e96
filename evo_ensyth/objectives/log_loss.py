"""Logarithmic loss of the mean scores.

Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952: the logarithmic score.
"""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.scores import FINE, share_of_each
from evo_ensyth.objectives import Ensembles, objective

LEAST_SHARE = 2.0**-16  # of the truth: scores are rounded to this, so that what is less may be nothing


@objective(unit="nats")
def log_loss(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of -ln p, where p is the truth's share of the mean scores.

    No p counts as less than 2^-16, the step to which scores are rounded, so a sample costs 11.1 nats at most. Scores
    need not add up to 1: they are divided by their sum over the classes; where that is 0, all classes share alike.
    """
    losses = ensembles.soft_votes.totals(add_log_losses, 1, ensembles.subsets)[:, 0]
    return np.asarray(losses / (FINE * ensembles.votes.n_samples))


@compiled
def add_log_losses(sums: np.ndarray, truth: np.ndarray, losses: np.ndarray) -> None:
    """Add to ``losses``, (n_subsets, 1), -ln of the truth's share, no less than 2^-16, in units of 2^-32."""
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            share = max(row[np.uint64(truth[sample])] * factor + more, LEAST_SHARE)
            losses[subset, 0] += np.int64(np.rint(-np.log(share) * FINE))
