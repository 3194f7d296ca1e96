"""The non-dominated subsets among all that were evaluated."""

from collections.abc import Sequence

import moocore
import numpy as np

from evo_ensyth.results.front import Milestone
from evo_ensyth.selection.dominance import not_covered


class Archive:
    """Non-dominated subsets, sorted by size, then by values. Of subsets with equal values, the first is kept.

    Parameters
    ----------
    n_members : int
        Number of members of the pool.
    reference : float64, (n_objectives,)
        Reference point of the hypervolume.

    Attributes
    ----------
    subsets : bool, (n, n_members)
    values : float64, (n, n_objectives)
        Smaller is better.
    hypervolume : float
        Volume between the values and the reference point.
    history : list of Milestone
        One entry per batch that changed the archive.
    """

    def __init__(self, n_members: int, reference: np.ndarray) -> None:
        self.subsets = np.zeros((0, n_members), bool)
        self.values = np.zeros((0, len(reference)))
        self.hypervolume = 0.0
        self.history: list[Milestone] = []
        self._reference = reference

    def __len__(self) -> int:
        """Number of subsets."""
        return len(self.subsets)

    def add(self, subsets: np.ndarray, values: np.ndarray) -> bool:
        """Add the subsets that nothing dominates, drop those they dominate, and return whether the archive changed.

        Parameters
        ----------
        subsets, values : bool, (k, n_members), and float64, (k, n_objectives)
        """
        # Most batches end here: subsets that the archive already covers cannot enter it.
        gain = not_covered(self.values, values)
        if not gain.any():
            return False
        self.subsets, self.values = non_dominated(
            np.concatenate([self.subsets, subsets[gain]]), np.concatenate([self.values, values[gain]])
        )
        self.hypervolume = hypervolume(self.values, self._reference)
        return True


def non_dominated(subsets: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the subsets that no other dominates, in the order of an `Archive`, and their values.

    Parameters
    ----------
    subsets, values : bool, (n, n_members), and float64, (n, n_objectives)
    """
    keep = np.flatnonzero(moocore.is_nondominated(values, keep_weakly=False)) if len(values) else np.zeros(0, int)
    subsets, values = subsets[keep], values[keep]
    order = np.lexsort((*values.T[::-1], np.count_nonzero(subsets, axis=1)))
    return subsets[order], values[order]


def hypervolume(values: np.ndarray, reference: Sequence[float] | np.ndarray) -> float:
    """Volume between non-dominated values, (n, n_objectives), and a reference point; rows not below it add nothing."""
    inside = values[(values < np.asarray(reference)).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def dominates(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which rows of ``others`` some row of ``values`` dominates: no worse in any objective, better in one.

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
