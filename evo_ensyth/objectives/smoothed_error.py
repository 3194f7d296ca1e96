"""Error that weighs how narrowly each sample is right or wrong, so that it varies less by chance."""

import numpy as np

from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples", estimates="error")
def smoothed_error(ensembles: Ensembles) -> np.ndarray:
    """Mean over the samples of Phi(-margin / sqrt(size)): the probability that the vote is wrong under added noise.

    The margin is the votes for the truth minus those for the strongest other class, and Phi is the standard normal
    distribution function: noise with a standard deviation of one vote is added to every member's vote. A sample that is
    only just right counts nearly half, so it matters little on which side it happens to fall in this split. Where
    members add up probabilities, margins are sums of those, and the noise is half as large.
    """
    return ensembles.smoothed_losses / (STEPS * ensembles.votes.n_samples)
