"""Greedy forward selection: add the member that helps most until all are in.

Follows Caruana et al., "Ensemble selection from libraries of models", ICML 2004, without replacement and on votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator

# Shares of every upper limit: members that need more of one are left out of a path.
SHARES = (1 / 2, 1 / 4, 1 / 8)


@dataclass(frozen=True)
class ForwardGreedy:
    """Build nested ensembles from the best member up to the whole pool; ties go to the first member.

    Attributes
    ----------
    max_size : int, optional
        Size of the largest ensemble; by default that of the pool.

    Notes
    -----
    Each step adds the member that minimises the leading objective. With constraints it is one of those that keep them,
    and the path ends where there is none. Then there are up to three paths more: only of members that need at most a
    half, a quarter, an eighth of every upper limit, since the best member may leave no room for another.
    """

    max_size: int | None = setting(None, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate each path and all neighbours along it."""
        everybody = np.ones(len(search.pool), bool)
        self._grow(search, everybody)
        if search.constraints:
            tried = [everybody]
            for share in SHARES:
                few = search.members_within(share)
                if few.any() and not any(np.array_equal(few, members) for members in tried):
                    tried.append(few)
                    self._grow(search, few)

    def _grow(self, search: Evaluator, members: np.ndarray) -> None:
        """Follow one path, from the best of the members to all of them."""
        subset = np.zeros(len(search.pool), bool)
        joining = np.where(members, search.votes.member_errors, np.inf).argmin()
        largest = min(self.max_size or len(search.pool), int(np.count_nonzero(members)))
        for size in range(1, largest + 1):
            subset[joining] = True
            search.evaluate(subset[None])
            if size < largest:
                candidates = search.keeping_constraints(subset, members & ~subset)
                if not candidates.any():
                    return
                joining = search.neighbour_values(subset, candidates).argmin()
