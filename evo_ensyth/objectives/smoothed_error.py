"""Error that weighs how narrowly each sample is right or wrong, so that it varies less by chance."""

import math
from functools import lru_cache

import numpy as np

from evo_ensyth.objectives import Ensembles, objective

# Losses are whole multiples of 2^-20, so that their sums are exact.
STEPS = 2**20
FLAT = 3.7  # from here on, erfc is less than half a step
# Width of the curve, in votes, for one member. 0.1 gives the plain error; 2 rewards size alone.
WIDTH = 1.0


@objective(unit="share of samples", estimates="error")
def smoothed_error(ensembles: Ensembles) -> np.ndarray:
    """Mean over the samples of Phi(-margin / sqrt(size)): the probability that the vote is wrong under added noise.

    The margin is the votes for the truth minus those for the strongest other class, and Phi is the standard normal
    distribution function: noise with a standard deviation of one vote is added to every member's vote. A sample that is
    only just right counts nearly half, so it matters little on which side it happens to fall in this split.
    """
    return smoothed_errors(ensembles) / (STEPS * ensembles.votes.n_samples)


def smoothed_errors(ensembles: Ensembles) -> np.ndarray:
    """Sum of the losses over the samples, in steps of 2^-20: int64, (n_ensembles,)."""
    n_members = ensembles.votes.n_members
    return ensembles.margin_losses(lambda size: _losses(size, n_members))


def _losses(size: int, n_members: int) -> np.ndarray:
    """Loss for each margin from -n_members to n_members, in steps: int64, (2 * n_members + 1,)."""
    near_zero = _losses_near_zero(size)
    reach = len(near_zero) // 2
    cut = max(reach - n_members, 0)
    losses = np.zeros(2 * n_members + 1, np.int64)
    losses[: max(n_members - reach, 0)] = STEPS
    losses[max(n_members - reach, 0) : n_members + reach + 1] = near_zero[cut : len(near_zero) - cut]
    return losses


@lru_cache(maxsize=4096)
def _losses_near_zero(size: int) -> np.ndarray:
    """Loss for the margins around 0, up to where it is 1 or 0 to within half a step: int64."""
    scale = 1 / (WIDTH * math.sqrt(2 * size))
    reach = math.ceil(FLAT / scale)
    return np.array([round(STEPS * 0.5 * math.erfc(margin * scale)) for margin in range(-reach, reach + 1)], np.int64)
