"""NSGA-II with local walks, started from the baselines: the default.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it, without the walks.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from evo_ensyth.plugins import setting
from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary._array_nsga2 import ArrayNSGA2
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector
from evo_ensyth.selection.selectors.evolutionary._metropolis_walk import MetropolisWalks
from evo_ensyth.selection.selectors.evolutionary._tabu_walk import tabu_walk

# Metropolis walks begin once the front has stood still for the time of so many walks.
QUIET = 20
# They take as many steps as a walk at first, and as many more for every so many walks paid for; up to a limit.
PATIENCE, MOST_WALKS = 50, 64
# What takes steps is not interrupted: steps times members times samples stay below this, as far as a walk allows.
MOST_AT_ONCE = 2e11


@dataclass(frozen=True)
class NSGA2(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    walk : int
        Steps of the walk that follows each generation, from a subset of the front; 0 for none. Once the front stands
        still, walks at a temperature take their place, with as many steps at first, and more as the search goes on.
        With a budget, neighbours and children get about equal shares of it.
    """

    walk: int = setting(100, at_least=0)
    guide: ClassVar[str] = "shrunk_error"

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> ArrayNSGA2:
        return _Assisted(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))

    def _between(self, search: Evaluator, steps: Algorithm, rng: np.random.Generator) -> None:
        """Look at neighbours of good subsets; the best of them compete with the population."""
        if not self.walk or len(search.archive) == 0:
            return
        assert isinstance(steps, _Assisted)
        per_step = len(search.pool) / 2  # neighbours, about
        n_steps = self.walk
        if search.budget.n_evaluations - search.archive.history[-1].evaluations >= QUIET * self.walk * per_step:
            steps.metropolis = steps.metropolis or MetropolisWalks()
        if steps.metropolis is not None:
            step = len(search.pool) * search.votes.n_samples
            most = max(1, min(MOST_WALKS, int(MOST_AT_ONCE / (self.walk * step))))
            n_steps *= min(most, 1 + int(search.budget.n_evaluations / (PATIENCE * self.walk * per_step)))
            per_step = steps.metropolis.neighbours_per_step or per_step
        share = min(1.0, self.population / (n_steps * per_step)) if search.budget.limit is not None else 1.0
        if rng.random() >= share:
            return
        if steps.metropolis is None:
            found = tabu_walk(search, _start(search, steps, rng), n_steps, rng)
        else:
            found = steps.metropolis.go_on(search, n_steps, rng)
        new = found[steps.judged.add(found)]
        if len(new):
            steps.join(new, search.evaluate(new))


class _Assisted(ArrayNSGA2):
    """NSGA-II assisted by tabu walks and, once the front stands still, by Metropolis walks."""

    metropolis: MetropolisWalks | None = None


def _start(search: Evaluator, steps: ArrayNSGA2, rng: np.random.Generator) -> np.ndarray:
    """Where a walk starts, bool (n_members,): three kinds of places have equal chances.

    The subset that is best by the criterion is the front's at all larger sizes too, so it counts most of all, and among
    large ensembles there is most to find. All of the front brings small ensembles, too. And the better half of the
    population has subsets beside the front, from which other valleys are reached.
    """
    front = search.archive
    column = search.objectives.index(search.guide)
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(front.subsets[front.values[:, column].argmin()])
    if kind == 1:
        return np.asarray(front.subsets[rng.integers(len(front))])
    subsets, values = steps.population
    better_half = np.argsort(values[:, column], kind="stable")[: len(values) // 2]
    return np.asarray(subsets[rng.choice(better_half)])
