"""NSGA-II with local walks, started from the baselines: the default.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. `nsga2_pymoo` is the same algorithm as pymoo runs it, without the walks.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import setting
from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary._array_nsga2 import ArrayNSGA2
from evo_ensyth.selection.selectors.evolutionary._loop import Algorithm, EvolutionarySelector
from evo_ensyth.selection.selectors.evolutionary._metropolis_walk import MetropolisWalks
from evo_ensyth.selection.selectors.evolutionary._tabu_walk import tabu_walk

# Metropolis walks start once the front has not changed for the evaluations of this many walks.
QUIET = 20
# Metropolis walks start with ``walk`` steps and gain as many for every PATIENCE walks' evaluations, up to a limit.
PATIENCE, MOST_WALKS = 50, 64
# A walk cannot be interrupted: steps times members times samples stay below this, unless ``walk`` steps exceed it.
MOST_AT_ONCE = 2e11


@dataclass(frozen=True)
class NSGA2(EvolutionarySelector):
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    walk : int
        Number of steps of the tabu walk that follows each generation; 0 for no walks. Once the front stops changing,
        Metropolis walks replace the tabu walks, with as many steps at first and more as the search continues. With a
        budget, neighbours and children get about equal shares of it.
    """

    walk: int = setting(100, at_least=0)

    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> ArrayNSGA2:
        return _Assisted(start, evaluated, crossover=self.crossover, seed=int(rng.integers(2**31)))

    def _between(self, search: Evaluator, steps: Algorithm, rng: np.random.Generator) -> None:
        """Walk among neighbours of good subsets; those found compete with the population."""
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
            found = steps.metropolis.walk(search, n_steps, rng)
        new = found[steps.judged.add(found)]
        if len(new):
            steps.join(new, search.evaluate(new))


class _Assisted(ArrayNSGA2):
    """NSGA-II assisted by tabu walks and, once the front stops changing, by Metropolis walks."""

    metropolis: MetropolisWalks | None = None


def _start(search: Evaluator, steps: ArrayNSGA2, rng: np.random.Generator) -> np.ndarray:
    """Draw the start of a walk, bool (n_members,), from one of three sources with equal probability.

    The best subset by the leading objective stands on the front for all larger sizes too, so it matters most, and large
    ensembles leave most to find. The whole front adds small ensembles. The better half of the population adds subsets
    off the front, from which other local optima are reached.
    """
    front = search.archive
    column = search.objectives.index(search.leading)
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(front.subsets[front.values[:, column].argmin()])
    if kind == 1:
        return np.asarray(front.subsets[rng.integers(len(front))])
    subsets, values = steps.population
    better_half = np.argsort(values[:, column], kind="stable")[: len(values) // 2]
    return np.asarray(subsets[rng.choice(better_half)])
