"""Logarithmic loss of the mean ballot.

Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952: the logarithmic score.
"""

import numpy as np

from evo_ensyth.engine.kernels.ballots import FINE
from evo_ensyth.engine.outcomes import Outcomes
from evo_ensyth.objectives import Ensembles, objective

LEAST_SHARE = 2.0**-16  # smallest share of the truth: half a step of a ballot, below which it is rounded to 0


@objective(unit="nats")
def log_loss(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of -ln p, where p is the truth's share of the mean scores.

    p is at least 2^-16, half the step to which scores are rounded, so a sample adds at most 11.1 nats. If the vote of
    the problem adds scores, they are its ballots; see `brier_score`.
    """
    losses = [_log_losses(outcomes) for outcomes in ensembles.ballots.outcomes(ensembles.subsets)]
    return np.asarray(np.concatenate(losses) / (FINE * ensembles.votes.n_samples))


def _log_losses(outcomes: Outcomes) -> np.ndarray:
    """Sum of the losses in steps of 2^-32, so that it is exact: int64, (n_ensembles,)."""
    shares = np.maximum(outcomes.truth / np.maximum(outcomes.whole, 1), LEAST_SHARE)
    return np.asarray(np.rint(-np.log(shares) * FINE).astype(np.int64).sum(axis=1))
