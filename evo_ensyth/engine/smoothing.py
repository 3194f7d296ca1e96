"""Losses of margins that vary less by chance than errors do: the chance that a vote is wrong under added noise."""

import math
from functools import cache, lru_cache

import numpy as np

from evo_ensyth.engine.kernels.counting import counter_bits

# Losses are whole multiples of 2^-20, so that their sums are exact.
STEPS = 2**20
FLAT = 3.7  # from here on, erfc is less than half a step
# Width of the curve, in votes, for one member. 0.1 gives the plain error; 2 rewards size alone.
WIDTH = 1.0
# For sums of ballots, losses are looked up in steps of 1/1024 of the noise, up to where they are 1 or 0.
NOISE_STEPS, FAR = 1024, 5


# Kernels are compiled for arrays that can be written to; nobody writes to these.
@lru_cache(maxsize=512)
def smoothed(size: int, n_members: int) -> np.ndarray:
    """Return the loss for each margin from -n_members to n_members, in steps: int64, (2 * n_members + 1,)."""
    near_zero = _losses_near_zero(size)
    reach = len(near_zero) // 2
    cut = max(reach - n_members, 0)
    losses = np.zeros(2 * n_members + 1, np.int64)
    losses[: max(n_members - reach, 0)] = STEPS
    losses[max(n_members - reach, 0) : n_members + reach + 1] = near_zero[cut : len(near_zero) - cut]
    return losses


@lru_cache(maxsize=4)
def tables(n_members: int) -> np.ndarray:
    """Losses by size and margin: int64, (n_members + 2, 2 * n_members + 1); 0 for sizes that no ensemble has."""
    none = np.zeros((1, 2 * n_members + 1), np.int64)
    rows = [smoothed(size, n_members)[None] for size in range(1, n_members + 1)]
    return np.concatenate([none, *rows, none])


def by_value(losses: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Move losses to where `kernels.margins.sum_losses` looks them up: int64, (n_rows, n_values).

    A margin of d is the value d + 2^b, where b is the number of bits of a counter of votes.

    Parameters
    ----------
    losses : int64, (n_rows, 2 * n_members + 1)
        By margin, from -n_members to n_members.
    sizes : int64, (n_rows,)
        The size of ensembles that each row is for.
    """
    n_members = losses.shape[1] // 2
    zero = np.array([1 << counter_bits(size) for size in sizes.tolist()])
    places = np.arange(2 << counter_bits(n_members)) - zero[:, None] + n_members
    moved = np.take_along_axis(losses, np.clip(places, 0, 2 * n_members), axis=1)
    return np.where((places >= 0) & (places <= 2 * n_members), moved, 0)


@lru_cache(maxsize=4096)
def _losses_near_zero(size: int) -> np.ndarray:
    """Loss for the margins around 0, up to where it is 1 or 0 to within half a step: int64."""
    scale = 1 / (WIDTH * math.sqrt(2 * size))
    reach = math.ceil(FLAT / scale)
    return np.array([round(STEPS * 0.5 * math.erfc(margin * scale)) for margin in range(-reach, reach + 1)], np.int64)


@cache
def smoothed_by_noise() -> np.ndarray:
    """Return Phi(-z) for z from -5 to 5 in steps of 1/1024: int32, (10241,)."""
    margins = np.arange(-FAR * NOISE_STEPS, FAR * NOISE_STEPS + 1).tolist()
    scale = 1 / (NOISE_STEPS * math.sqrt(2))
    return np.array([round(STEPS * 0.5 * math.erfc(margin * scale)) for margin in margins], np.int32)
