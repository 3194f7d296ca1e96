"""The member with the fewest errors: what an ensemble must beat."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class SingleBest:
    """Select one member; ties go to the first."""

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the best single member."""
        subset = np.zeros((1, len(search.pool)), bool)
        subset[0, search.votes.member_errors.argmin()] = True
        search.evaluate(subset)
