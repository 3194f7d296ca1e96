"""NSGA-II as pymoo runs it: what nsga2 is compared with.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. The algorithm is pymoo's (Blank, Deb, "pymoo: Multi-Objective Optimization in
Python", IEEE Access 8, 2020).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluated
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector


@dataclass(frozen=True)
class NSGA2Pymoo(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives."""

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.selection.selectors.evolutionary import _pymoo

        return _pymoo.nsga2(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))
