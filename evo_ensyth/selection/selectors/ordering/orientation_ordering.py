"""Orientation ordering: first the members that are right where the pool as a whole is not.

In the style of Martinez-Munoz, Suarez, "Pruning in ordered bagging ensembles", ICML 2006, pages 609-616, with formulas
taken from other accounts of the paper.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class OrientationOrdering:
    """Build nested ensembles; members join by the angle between their signature and a reference.

    The signature of a member has an entry for each sample: 1 where it is right, -1 where it is wrong. The reference is
    the diagonal (right everywhere) less its component along the mean signature of the pool: what the pool still lacks.

    Attributes
    ----------
    cut : bool
        Stop where the angle reaches 90 degrees. The paper takes all members before that; here all ensembles on the way
        are evaluated as well, because a front covers every size.

    Notes
    -----
    Ties go to the member with fewer errors of its own, then to the first. If the mean signature is zero, nothing is
    subtracted from the diagonal. If it lies along the diagonal, nothing remains and no member has an angle. In both
    cases members are ordered by their own errors; in the second there is no cut.
    """

    cut: bool = True

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path."""
        right = search.votes.y_pred == search.votes.y_true
        along = _along_reference(right)
        order = sorted(range(len(along)), key=lambda i: (-along[i], search.votes.member_errors[i]))
        ahead = sum(value > 0 for value in along)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        sizes = np.arange(1, (ahead if self.cut and ahead else len(order)) + 1)
        search.evaluate(rank[None, :] < sizes[:, None])


def _along_reference(right: np.ndarray) -> list[int]:
    """Inner product of each signature with the reference, times a positive factor: arbitrarily large integers.

    All signatures are equally long, so the larger the product, the smaller the angle. With ``o`` the diagonal and ``s``
    the sum of the signatures, the reference is along (s.s) o - (o.s) s, or along o where s is 0.
    """
    n_members, n_samples = right.shape
    pool = 2 * np.count_nonzero(right, axis=0) - n_members
    square, diagonal = int(pool @ pool), int(pool.sum())
    own = [2 * int(np.count_nonzero(row)) - n_samples for row in right]
    with_pool = [2 * int(pool[row].sum()) - diagonal for row in right]
    if square == 0:
        return own
    return [square * a - diagonal * b for a, b in zip(own, with_pool, strict=True)]
