"""NSGA-III (pymoo): reference directions keep a front of many objectives spread out.

Deb, Jain, "An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting
approach, part I", IEEE Transactions on Evolutionary Computation 18(4), 2014. The algorithm is pymoo's.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluated
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector


@dataclass(frozen=True)
class NSGA3(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives."""

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.selection.selectors.evolutionary import _pymoo

        return _pymoo.nsga3(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))
