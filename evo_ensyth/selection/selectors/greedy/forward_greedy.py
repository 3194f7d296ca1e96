"""Greedy forward selection: add the member that helps most until all are in.

Follows Caruana et al., "Ensemble selection from libraries of models", ICML 2004, without replacement and on votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class ForwardGreedy:
    """Build nested ensembles from the best member up to the whole pool; ties go to the first member.

    Notes
    -----
    Each step adds the member that minimises the guiding objective, by default the error.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path and all neighbours along it."""
        subset = np.zeros(len(search.pool), bool)
        joining = search.votes.member_errors.argmin()
        for _ in range(len(search.pool)):
            subset[joining] = True
            search.evaluate(subset[None])
            if not subset.all():
                joining = search.neighbour_values(subset, ~subset).argmin()
