"""Backward elimination by the vote: drop the member whose removal hurts the ensemble least.

The wrapper form of the EnSyth paper's selector: a stronger baseline for the price of m (m + 1) / 2 - 1 looks.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class BackwardWrapper:
    """Nested ensembles from the whole pool down to one member.

    Notes
    -----
    Of members whose removal hurts equally little, the one with the most bytes goes, if the pool knows bytes, and of
    those the last.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the path, with all its neighbours on the way."""
        n_members = len(search.pool)
        subset = np.ones(n_members, bool)
        search.evaluate(subset[None])
        cost = search.pool.costs.get("bytes", np.zeros(n_members))
        first_to_go = np.lexsort((-np.arange(n_members), -cost))
        for _ in range(n_members - 1):
            values = search.neighbour_values(subset, subset)
            subset[first_to_go[values[first_to_go].argmin()]] = False
            search.evaluate(subset[None])
