"""Random subsets: what a search must beat at equal evaluations."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator

BATCH = 256


@dataclass(frozen=True)
class Random:
    """Draw random subsets, with sizes drawn uniformly from 1 to the whole pool.

    Attributes
    ----------
    draws : int
        Number of subsets, without a budget or a time limit.
    """

    draws: int = setting(20_000, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate random subsets until the search is over."""
        drawn = 0
        while search.budget.limited or drawn < self.draws:
            n = BATCH if search.budget.limited else min(BATCH, self.draws - drawn)
            search.evaluate(random_subsets(n, len(search.pool), rng))
            drawn += n


def random_subsets(n_subsets: int, n_members: int, rng: np.random.Generator) -> np.ndarray:
    """Draw subsets with sizes drawn uniformly from 1 to n_members: bool, (n_subsets, n_members)."""
    sizes = rng.integers(1, n_members + 1, n_subsets)
    ranks = rng.random((n_subsets, n_members)).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.asarray(ranks < sizes[:, None])
