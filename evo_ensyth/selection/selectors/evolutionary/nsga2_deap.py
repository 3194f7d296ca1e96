"""NSGA-II as DEAP runs it: an independent check of nsga2.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. The algorithm is DEAP's (Fortin, De Rainville, Gardner, Parizeau, Gagne, "DEAP:
Evolutionary Algorithms Made Easy", JMLR 13, 2012).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import setting
from evo_ensyth.selection.evaluator import Evaluated
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector


@dataclass(frozen=True)
class NSGA2DEAP(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives, by DEAP.

    Notes
    -----
    `population` is a multiple of four. `enumerate` is 0, because enumeration would check nothing. As in
    `nsga2`, no subset is evaluated twice, and half of the mutations swap one member for another.
    """

    population: int = setting(100, at_least=4, multiple_of=4)
    enumerate: int = setting(0, at_least=0)

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        from evo_ensyth.selection.selectors.evolutionary import (
            _deap,  # imported here, because only this selector needs it
        )

        return _deap.NSGA2(start, evaluated, crossover=self.crossover, dice=_deap.Dice(int(rng.integers(2**31))))
