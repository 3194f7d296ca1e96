"""All members vote: what a selection must beat."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class WholePool:
    """Select all members."""

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the whole pool."""
        search.evaluate(np.ones((1, len(search.pool)), bool))
