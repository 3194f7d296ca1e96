"""NSGA-II on subsets, started from the baselines, on arrays.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.search.selectors._course import Evolving, Steps
from evo_ensyth.search.selectors._evolution import Evolution


@dataclass(frozen=True)
class Nsga2(Evolving):
    """Evolve subsets towards the front of all objectives."""

    def _steps(self, start: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> Steps:
        return Evolution(start, values, crossover=self.crossover, seed=int(rng.integers(2**31)))
