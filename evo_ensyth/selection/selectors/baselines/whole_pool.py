"""All members vote: what a selection must beat."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class WholePool:
    """All members."""

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the whole pool."""
        search.evaluate(np.ones((1, len(search.pool)), bool))
