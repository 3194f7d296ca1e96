"""Greedy forward selection: add the member that helps most until all are in.

Follows Caruana et al., "Ensemble selection from libraries of models", ICML 2004, without replacement and on votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class ForwardGreedy:
    """Build nested ensembles from the best member up to the whole pool; ties go to the first member.

    Attributes
    ----------
    max_size : int, optional
        Size of the largest ensemble; by default that of the pool.

    Notes
    -----
    Each step adds the member that minimises the leading objective.
    """

    max_size: int | None = setting(None, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path and all neighbours along it."""
        subset = np.zeros(len(search.pool), bool)
        joining = search.votes.member_errors.argmin()
        largest = min(self.max_size or len(search.pool), len(search.pool))
        for size in range(1, largest + 1):
            subset[joining] = True
            search.evaluate(subset[None])
            if size < largest:
                joining = search.neighbour_values(subset, ~subset).argmin()
