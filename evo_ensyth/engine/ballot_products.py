"""Products of two members' ballots, summed over a split: what the Brier score of any ensemble is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.ballot_units import BallotUnits
from evo_ensyth.engine.kernels.ballots import sum_products
from evo_ensyth.engine.kernels.lanes import LANES

# Terms of which products of ballots are exact in float64: 2^21 times 2^32 is 2^53.
EXACT_TERMS = 2**21
# Ballots that are multiplied at once, as float64, if all members and one unit are no more.
TOGETHER = 2**22


@dataclass(frozen=True)
class BallotProducts:
    """Products of two members' ballots.

    Attributes
    ----------
    products : int64, (n_members, n_members)
        Sum over samples and classes of the product of two members' ballots, divided by two to the power of ``shift``.
    for_truth : int64, (n_members,)
        Sum over samples of each member's ballot for the truth.
    shift : int
        0 unless sums of products could exceed 2^62.
    """

    products: np.ndarray
    for_truth: np.ndarray
    shift: int

    @classmethod
    def of(cls, units: BallotUnits, largest: int) -> "BallotProducts":
        """Products of the ballots of a split, whose sum over all pairs is no more than ``largest``."""
        products = np.zeros((units.n_members, units.n_members), np.int64)
        for block in _blocks(units):
            products += (block @ block.T).astype(np.int64)  # BLAS, exact in float64
        for_truth = np.zeros(units.n_members, np.int64)
        for ballots in units:
            for_truth += ballots[:, :LANES].sum(axis=1, dtype=np.int64)
        shift = max(0, largest.bit_length() - 62)
        if shift:
            products = (products + (1 << shift - 1)) >> shift
        return cls(products, for_truth, shift)

    def of_lists(self, members: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """Sum over all pairs of ``members[begins[i] : begins[i + 1]]``: float64, (n_lists,)."""
        return np.asarray(sum_products(self.products, members, begins) * 2.0**self.shift)

    def of_neighbours(self, subset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """Sum over all pairs after each mover joins or leaves a subset: float64, (n_movers,)."""
        with_each = self.products[:, subset].sum(axis=1)
        moved = np.where(subset[movers], -1, 1) * with_each[movers]
        return np.asarray((with_each[subset].sum() + 2 * moved + self.products[movers, movers]) * 2.0**self.shift)


def _blocks(units: BallotUnits) -> Iterator[np.ndarray]:
    """All ballots, float64 (n_members, n_columns), some at a time."""
    widest = int(np.diff(units.first_slot).max()) * LANES
    room = np.empty((units.n_members, max(widest, min(EXACT_TERMS, TOGETHER // units.n_members))))
    n = 0
    for ballots in units:
        if n + ballots.shape[1] > room.shape[1]:
            yield room[:, :n]
            n = 0
        room[:, n : n + ballots.shape[1]] = ballots
        n += ballots.shape[1]
    yield room[:, :n]
