"""Margin distance minimisation: add members until every sample has a small positive margin.

In the style of Martinez-Munoz, Suarez, "Aggregation ordering in bagging", IASTED 2004, pages 258-263, with the
reference point of Martinez-Munoz, Hernandez-Lobato, Suarez, "An analysis of ensemble pruning techniques based on
ordered aggregation", IEEE Transactions on Pattern Analysis and Machine Intelligence, 2009 (doi 10.1109/TPAMI.2008.78).
The formulas are taken from other accounts of the papers.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.agreement import Labels
from evo_ensyth.selection.evaluator import Evaluator

# Points are multiples of 1 / UNITS, so that distances are compared without rounding.
UNITS = 1_000_000
FARTHEST_DRAWN = 0.25


@dataclass(frozen=True)
class MarginDistanceMinimisation:
    """Build nested ensembles from the best member up to the whole pool.

    The signature of a member has an entry for each sample: 1 where it is right, -1 where it is wrong. The position of
    an ensemble is the sum of its signatures divided by the number of members in the pool. The next member is the one
    that brings it nearest to a point whose entries are all the same small number: samples that are already safe then
    count for little, and samples that are rarely right count for more.

    Attributes
    ----------
    point : float
        That number, to six decimals. With 0, each sample has its own, drawn uniformly between 0 and 0.25.

    Notes
    -----
    Ties go to the first member. Only the ensembles on the path are evaluated.
    """

    point: float = setting(0.075, at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path."""
        right = search.votes.y_pred == search.votes.y_true
        n_members, n_samples = right.shape
        signatures = Labels(right, n_labels=2)
        point = np.full(n_samples, round(self.point * UNITS), np.int64)
        if self.point == 0:
            point = rng.integers(1, round(FARTHEST_DRAWN * UNITS), n_samples)
        # Distances differ by the inner product of a signature with the remainder: point * n_members - ensemble.
        lacking = n_members * np.array([2 * point[row].sum() - point.sum() for row in right])
        subset = np.zeros(n_members, bool)
        for _ in range(n_members):
            joining = np.where(subset, np.iinfo(np.int64).min, lacking).argmax()
            subset[joining] = True
            search.evaluate(subset[None])
            lacking -= UNITS * (n_samples - 2 * signatures.differences(right[joining]))
