"""MOEA/D (pymoo): solves many weighted problems side by side, each with its neighbours.

Zhang, Li, "MOEA/D: A multiobjective evolutionary algorithm based on decomposition", IEEE Transactions on Evolutionary
Computation 11(6), 2007. The algorithm is pymoo's.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector


@dataclass(frozen=True)
class MOEAD(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives.

    Notes
    -----
    The population has one subset per reference direction: at most `population`, fewer with three or more objectives.
    """

    def _size(self, search: Evaluator) -> int:
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.selection.selectors.evolutionary import _pymoo

        return len(_pymoo.subproblems(len(search.objectives), self.population))

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.selection.selectors.evolutionary import _pymoo

        return _pymoo.moead(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))
