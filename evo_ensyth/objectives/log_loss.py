"""Logarithmic loss of the mean scores.

Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952: the logarithmic score.
"""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.scores import FINE, share_of_each
from evo_ensyth.objectives import Ensembles, objective

LEAST_SHARE = 2.0**-16  # smallest share of the truth: the step of the scores, below which they may round to 0


@objective(unit="nats")
def log_loss(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of -ln p, where p is the truth's share of the mean scores.

    p is at least 2^-16, the step to which scores are rounded, so a sample adds at most 11.1 nats. Scores need not add
    up to 1: they are divided by their sum over the classes. If that is 0, all classes get equal shares.
    """
    losses = ensembles.soft_votes.totals(add_log_losses, 1, ensembles.subsets)[:, 0]
    return np.asarray(losses / (FINE * ensembles.votes.n_samples))


@compiled
def add_log_losses(sums: np.ndarray, truth: np.ndarray, losses: np.ndarray) -> None:
    """Add to ``losses``, (n_subsets, 1), -ln of the truth's share, which is at least 2^-16, in units of 2^-32."""
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            share = max(row[np.uint64(truth[sample])] * factor + more, LEAST_SHARE)
            losses[subset, 0] += np.int64(np.rint(-np.log(share) * FINE))
