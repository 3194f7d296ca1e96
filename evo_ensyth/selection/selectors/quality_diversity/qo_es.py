"""QO-ES: evolves multisets of members, breeding from those with the fewest errors.

In the style of Purucker, Schneider, Anastacio, Beel, Bischl, Hoos, "Q(D)O-ES: Population-based Quality (Diversity)
Optimisation for Post Hoc Ensemble Selection in AutoML", AutoML 2023 (arXiv 2307.08364), with its numbers where they are
known. Theirs adds up probabilities; this one counts votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.quality_diversity._multisets import Breeding, evolve


@dataclass(frozen=True)
class QOES(Breeding):
    """The archive keeps the best multisets, of equals the ones with fewer votes.

    Notes
    -----
    Sets enter the front; see `search.voters.Levels`. Parents are drawn evenly from the archive, and a mutation
    may take a vote away as well as give one.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evolve until the evaluations are spent, or no new multiset can be bred."""

        def best(multisets: np.ndarray, errors: np.ndarray) -> np.ndarray:
            return np.lexsort((multisets.sum(axis=1), errors))[: self.archive]

        evolve(search, self, best, rng)
