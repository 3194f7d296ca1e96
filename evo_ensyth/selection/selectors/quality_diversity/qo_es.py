"""QO-ES: evolves multisets of members, breeding from those with the fewest errors.

In the style of Purucker, Schneider, Anastacio, Beel, Bischl, Hoos, "Q(D)O-ES: Population-based Quality (Diversity)
Optimisation for Post Hoc Ensemble Selection in AutoML", AutoML 2023 (arXiv 2307.08364), with the published parameter
values where they are known. The paper adds probabilities; this selector counts votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.quality_diversity._multisets import Breeding, evolve


@dataclass(frozen=True)
class QOES(Breeding):
    """The archive keeps the best multisets; ties go to those with fewer votes.

    Notes
    -----
    Sets enter the front; see `evo_ensyth.selection.voters.Levels`. Parents are drawn uniformly from the archive, and a
    mutation may remove a vote as well as add one.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evolve until the evaluations are spent, or no new multiset can be bred."""

        def best(multisets: np.ndarray, errors: np.ndarray) -> np.ndarray:
            return np.lexsort((multisets.sum(axis=1), errors))[: self.archive]

        evolve(search, self, best, rng)
