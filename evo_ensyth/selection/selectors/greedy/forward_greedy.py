"""Greedy forward selection: add the member that helps most until all are in.

The idea of Caruana et al., "Ensemble selection from libraries of models", ICML 2004, without replacement and on votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class ForwardGreedy:
    """Nested ensembles from the best member up to the whole pool; of equally good members the first joins.

    Notes
    -----
    Best is what leaves the fewest errors, unless the search is led by another criterion.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the path, with all its neighbours on the way."""
        subset = np.zeros(len(search.pool), bool)
        joining = search.votes.member_errors.argmin()
        for _ in range(len(search.pool)):
            subset[joining] = True
            search.evaluate(subset[None])
            if not subset.all():
                joining = search.neighbour_values(subset, ~subset).argmin()
