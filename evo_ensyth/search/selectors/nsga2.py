"""NSGA-II on subsets, started from the baselines, with short walks from its front, led by the shrunk error.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it, without the walks.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors._course import Evolving, Steps
from evo_ensyth.search.selectors._evolution import Evolution
from evo_ensyth.search.selectors._walk import walk


@dataclass(frozen=True)
class Nsga2(Evolving):
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    walk : int
        Steps of the walk that follows each generation, from a subset of the front; 0 for none. With a budget,
        neighbours and children get about equal shares of it.
    """

    walk: int = 100
    criterion: ClassVar[str] = "shrunk_error"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.walk < 0:
            raise InputError(f"a walk has {self.walk} steps; give it 0 or more.")

    def _steps(self, start: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> Evolution:
        return Evolution(start, values, crossover=self.crossover, seed=int(rng.integers(2**31)))

    def _between(self, search: Evaluator, steps: Steps, rng: np.random.Generator) -> None:
        """Walk from some subset of the front; what is judged on the way competes with the population."""
        neighbours = self.walk * len(search.pool) / 2
        share = min(1.0, self.population / neighbours) if search.budget is not None and self.walk else 1.0
        if not self.walk or rng.random() >= share:
            return
        assert isinstance(steps, Evolution)
        path = walk(search, search.front.subsets[rng.integers(len(search.front))], self.walk, rng)
        path = path[steps.judged.add(path)]
        if len(path):
            steps.join(path, search.evaluate(path))
