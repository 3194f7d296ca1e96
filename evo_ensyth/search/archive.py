"""Ensembles none of which is at least as good as another in everything."""

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np


@dataclass(frozen=True)
class Front:
    """Non-dominated subsets, sorted by size and then by their values; of equal values the first one stays.

    Attributes
    ----------
    subsets : bool, (n, n_members)
    values : float64, (n, n_objectives)
        Smaller is better.
    """

    subsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, subsets: np.ndarray, values: np.ndarray) -> "Front":
        """Keep what no other row dominates."""
        keep = np.flatnonzero(moocore.is_nondominated(values, keep_weakly=False)) if len(values) else np.zeros(0, int)
        subsets, values = subsets[keep], values[keep]
        order = np.lexsort((*values.T[::-1], np.count_nonzero(subsets, axis=1)))
        return cls(subsets[order], values[order])

    def __len__(self) -> int:
        """Number of subsets."""
        return len(self.subsets)

    def joined(self, subsets: np.ndarray, values: np.ndarray) -> "Front":
        """Front of these subsets and more."""
        return Front.of(np.concatenate([self.subsets, subsets]), np.concatenate([self.values, values]))

    def hypervolume(self, reference: Sequence[float] | np.ndarray) -> float:
        """Volume between the front and a reference point; rows that are not below it add nothing."""
        inside = self.values[(self.values < np.asarray(reference)).all(axis=1)]
        return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def dominates(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows of ``others`` some row of ``values`` dominates: at least as good in all, better in one.

    Parameters
    ----------
    values, others : float64, (n, n_objectives), (k, n_objectives)

    Returns
    -------
    bool, (k,)
    """
    no_worse = (values[:, None] <= others[None]).all(axis=2)
    better = (values[:, None] < others[None]).any(axis=2)
    return np.asarray((no_worse & better).any(axis=0))
