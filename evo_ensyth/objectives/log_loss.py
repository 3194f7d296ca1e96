"""How surprised an ensemble is by the truth.

Good, "Rational decisions", Journal of the Royal Statistical Society B 14(1), 1952: the logarithmic score.
"""

import numpy as np

from evo_ensyth.engine import kernels
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="nats")
def log_loss(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of -ln p, where p is the truth's share of the mean scores.

    No p counts as less than 2^-16, the step to which scores are rounded, so a sample costs 11.1 nats at most. Scores
    need not add up to 1: they are divided by their sum over the classes; where that is 0, all classes share alike.
    """
    losses = ensembles.soft_votes.totals(kernels.add_log_losses, 1, ensembles.subsets)[:, 0]
    return np.asarray(losses / (kernels.FINE * ensembles.votes.n_samples))
