"""NSGA-II on subsets, started from the baselines, with walks from its front, led by the shrunk error.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it, without the walks.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors._course import Evolving, Steps
from evo_ensyth.search.selectors._evolution import Evolution
from evo_ensyth.search.selectors._walk import walk, warm_walk

# Walks are warm once the front has stood still for the time of so many legs of a walk.
QUIET = 20
# A warm walk takes one of so many parts of all that was judged: the longer the search, the further it goes.
PARTS = 200


@dataclass(frozen=True)
class Nsga2(Evolving):
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    walk : int
        Steps of the walk that follows each generation, from a subset of the front; 0 for none. Where the front stands
        still, walks become longer as the search goes on, and fewer. With a budget, neighbours and children get about
        equal shares of it.
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
        """Walk from a good subset; what is judged on the way competes with the population."""
        if not self.walk or len(search.front) == 0:
            return
        neighbours = self.walk * len(search.pool) / 2
        share = min(1.0, self.population / neighbours) if search.budget is not None else 1.0
        quiet = search.spent - search.history[-1].evaluations >= QUIET * neighbours
        n_legs = 1 + int(search.spent / (PARTS * neighbours)) if quiet else 1
        if rng.random() >= share / n_legs:
            return
        assert isinstance(steps, Evolution)
        start = _start(search, steps, rng)
        legs: Iterable[np.ndarray]
        if quiet:
            legs = itertools.islice(warm_walk(search, _grown(start, rng), self.walk, rng), n_legs)
        else:
            legs = [walk(search, start, self.walk, rng)]
        for path in legs:
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


def _grown(subset: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let up to half as many others join: warm walks keep their size, and what is best may be larger than the front."""
    others = np.flatnonzero(~subset)
    n = int(rng.integers(min(int(np.count_nonzero(subset)) // 2, len(others)) + 1))
    grown = subset.copy()
    grown[rng.permutation(others)[:n]] = True
    return grown
