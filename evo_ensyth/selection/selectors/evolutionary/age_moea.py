"""AGE-MOEA (pymoo): estimates the shape of the front and spreads the population over it.

Panichella, "An adaptive evolutionary algorithm based on non-Euclidean geometry for many-objective optimization", GECCO
2019. The algorithm is pymoo's.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluated
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector


@dataclass(frozen=True)
class AGEMOEA(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives."""

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.selection.selectors.evolutionary import _pymoo

        return _pymoo.age_moea(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))
