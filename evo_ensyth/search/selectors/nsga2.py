"""NSGA-II on subsets, started from the baselines, with warm walks from its front, led by the shrunk error.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it, without the walks.
"""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors._course import Evolving, Steps
from evo_ensyth.search.selectors._evolution import Evolution
from evo_ensyth.search.selectors._walk import walk

# A walk takes about one of so many parts of what was judged so far: the longer the search, the further it goes.
LEGS = 50


@dataclass(frozen=True)
class Nsga2(Evolving):
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    walk : int
        Steps of one leg of a walk; 0 for no walks. There is about one leg for each generation, and walks have more legs
        the longer the search takes. With a budget, neighbours and children get about equal shares of it.
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
        """Walk from a good subset; what is best on the way competes with the population."""
        if not self.walk or len(search.front) == 0:
            return
        neighbours = self.walk * len(search.pool) / 2
        share = min(1.0, self.population / neighbours) if search.budget is not None else 1.0
        n_legs = 1 + int(search.spent / (LEGS * neighbours))
        if rng.random() >= share / n_legs:
            return
        assert isinstance(steps, Evolution)
        legs = walk(search, _start(search, steps, rng), self.walk, rng)
        for path in itertools.islice(legs, n_legs):
            new = path[steps.judged.add(path)]
            if len(new):
                steps.join(new, search.evaluate(new))


def _start(search: Evaluator, steps: Evolution, rng: np.random.Generator) -> np.ndarray:
    """Where a walk starts, bool (n_members,): three kinds of places have equal chances.

    The subset that is best by the criterion is the front's at all larger sizes too, so it counts most of all, and among
    large ensembles there is most to find. All of the front brings small ensembles, too. And the better half of the
    population has subsets beside the front, from which other valleys are reached.
    """
    front = search.front
    column = search.objectives.index(search.criterion)
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(front.subsets[front.values[:, column].argmin()])
    if kind == 1:
        return np.asarray(front.subsets[rng.integers(len(front))])
    subsets, values = steps.population
    better_half = np.argsort(values[:, column], kind="stable")[: len(values) // 2]
    return np.asarray(subsets[rng.choice(better_half)])
