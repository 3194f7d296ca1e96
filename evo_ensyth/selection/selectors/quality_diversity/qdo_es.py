"""QDO-ES: evolves multisets of members, breeding from the best of every kind.

In the style of Purucker, Schneider, Anastacio, Beel, Bischl, Hoos, "Q(D)O-ES: Population-based Quality (Diversity)
Optimisation for Post Hoc Ensemble Selection in AutoML", AutoML 2023 (arXiv 2307.08364); the archive in the style of
Fontaine, Lee, Soros, De Mesentier Silva, Togelius, Hoover, "Mapping Hearthstone Deck Spaces through MAP-Elites with
Sliding Boundaries", GECCO 2019.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.pool import Votes
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.quality_diversity._multisets import Breeding, evolve

# Number of latest multisets that determine the boundaries.
RECENT = 1_000
# Correlations are rounded to multiples of 1 / GRAIN: sums of integers are the same in any order.
GRAIN = 2**20


@dataclass(frozen=True)
class QDOES(Breeding):
    """The archive is a square grid over two measures of diversity, and keeps the best multiset of every cell.

    The measures are the mean disagreement between two voters and the mean correlation between their errors. ``archive``
    is the number of cells, rounded down to a square.

    Notes
    -----
    The paper's first measure compares the configurations with which members were trained, which a pool of votes does
    not record; disagreement replaces it. The boundaries slide: they are quantiles of the latest 1,000 multisets,
    recomputed with every batch, and a multiset that then shares a cell with a better one is dropped. Otherwise as in
    `qo_es`.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evolve until the evaluations are spent, or no new multiset can be bred."""
        evolve(search, self, Grid(search.votes, math.isqrt(self.archive)), rng)


class Grid:
    """Keeps the best multiset of every cell.

    Parameters
    ----------
    votes : Votes
    n_bins : int
        Number of bins along each measure.
    """

    def __init__(self, votes: Votes, n_bins: int) -> None:
        self._pairs = pairwise(votes)
        self._n_bins = n_bins
        self._recent = np.zeros((0, 2))
        self._n_kept = 0

    def __call__(self, multisets: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Return the rows of the multisets to keep; ties go to multisets with fewer votes.

        Parameters
        ----------
        multisets : int64, (n, n_members)
            Those that were kept last time come first.
        errors : int64, (n,)
        """
        measures = mean_of_pairs(multisets > 0, self._pairs)
        self._recent = np.concatenate([self._recent, measures[self._n_kept :]])[-RECENT:]
        shares = np.arange(1, self._n_bins) / self._n_bins
        cells = np.zeros(len(multisets), np.int64)
        for values, recent in zip(measures.T, self._recent.T, strict=True):
            cells = cells * self._n_bins + np.searchsorted(np.quantile(recent, shares), values, side="right")
        order = np.lexsort((multisets.sum(axis=1), errors))
        kept = order[np.unique(cells[order], return_index=True)[1]]
        self._n_kept = len(kept)
        return np.asarray(kept)


def pairwise(votes: Votes) -> np.ndarray:
    """Disagreement and error correlation of all pairs of members: integers as float64, (2, n_members, n_members).

    The first is the share of samples on which their labels differ; the second is the correlation between their errors,
    0 for members that are always or never wrong. Both in units of 1 / GRAIN; 0 and 1 for a member with itself.
    """
    counts = views.diversity(votes)
    n, errors = counts.n_samples, counts.errors
    differ = (n - counts.agreements) / n
    spread = errors * (n - errors)
    both = n * counts.joint_errors - np.outer(errors, errors)
    scale = np.sqrt(spread)[:, None] * np.sqrt(spread)
    correlate = np.divide(both, scale, out=np.zeros(both.shape), where=scale > 0)
    np.fill_diagonal(correlate, 1)
    return np.asarray(np.rint(np.array([differ, correlate]) * GRAIN))


def mean_of_pairs(sets: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Mean of each measure over all pairs in a set: float64, (n_sets, 2); a single member is paired with itself."""
    means = np.empty((len(sets), len(pairs)))
    for row, subset in enumerate(sets):  # not one product: multisets are few and small, pools may be large
        voters = np.flatnonzero(subset)
        table = pairs[:, voters[:, None], voters]
        among = table.sum(axis=(1, 2)) - (np.trace(table, axis1=1, axis2=2) if len(voters) > 1 else 0)
        means[row] = among / max(1, len(voters) * (len(voters) - 1)) / GRAIN
    return means
