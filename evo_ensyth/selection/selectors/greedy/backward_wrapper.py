"""Backward elimination by the vote: drop the member whose removal hurts the ensemble least.

The wrapper form of the EnSyth paper's selector: a stronger baseline at the cost of m (m + 1) / 2 - 1 neighbours, for m
members.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class BackwardWrapper:
    """Build nested ensembles from the whole pool down to one member.

    Notes
    -----
    Of members whose removal hurts equally little, the one with the most bytes is dropped, if the pool has a cost
    ``bytes``; remaining ties go to the last.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path and all neighbours along it."""
        n_members = len(search.pool)
        subset = np.ones(n_members, bool)
        search.evaluate(subset[None])
        cost = search.pool.costs.get("bytes", np.zeros(n_members))
        first_to_go = np.lexsort((-np.arange(n_members), -cost))
        for _ in range(n_members - 1):
            values = search.neighbour_values(subset, subset)
            subset[first_to_go[values[first_to_go].argmin()]] = False
            search.evaluate(subset[None])
