"""NSGA-II on subsets, started from the baselines.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. The algorithm is pymoo's (Blank, Deb, "pymoo: Multi-Objective Optimization in
Python", IEEE Access 8, 2020).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors.backward_elimination import BackwardElimination
from evo_ensyth.search.selectors.backward_wrapper import BackwardWrapper
from evo_ensyth.search.selectors.forward_greedy import ForwardGreedy
from evo_ensyth.search.selectors.random import random_subsets


@dataclass(frozen=True)
class Nsga2:
    """Evolve subsets towards the front of all objectives.

    Attributes
    ----------
    population : int
    crossover : float
        Probability that two parents are crossed.
    patience : int
        Without a budget or a time limit: end after so many generations in which the hypervolume did not move.
    generations : int
        Without a budget or a time limit: end after so many in any case.
    enumerate : int
        A pool with no more subsets than this has all of them judged, which costs less than evolving them.

    Notes
    -----
    The start takes in the paths of the baselines, so the front is never worse than theirs on the search split. That is
    by construction, and no result. A baseline whose cost exceeds half of the budget that is left is passed over; from
    about 2 m (m + 5) evaluations on, for m members, all of them are in.
    """

    population: int = 100
    crossover: float = 0.9
    patience: int = 60
    generations: int = 1_000
    enumerate: int = 65_535

    def __post_init__(self) -> None:
        if self.population < 2 or not 0 <= self.crossover <= 1 or self.patience < 1 or self.generations < 1:
            raise InputError(f"{self} has a setting out of range: population >= 2, 0 <= crossover <= 1, others >= 1.")

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge generation after generation."""
        n_subsets = 2 ** len(search.pool) - 1
        if n_subsets < self.population or n_subsets <= min(self.enumerate, search.left):
            search.evaluate(_all_subsets(len(search.pool)))
            return
        _walk_baselines(search, rng)
        start = self._start(search, rng)
        values = search.evaluate(start)
        # imported here, because it takes longer than searching a small pool
        from evo_ensyth.search.selectors._pymoo import Nsga2Steps

        steps = Nsga2Steps(start, values, crossover=self.crossover, seed=int(rng.integers(2**31)))
        since, best = 0, search.hypervolume
        for generation, children in enumerate(steps.generations()):
            steps.tell(search.evaluate(children))
            since = 0 if search.hypervolume > best else since + 1
            best = search.hypervolume
            if not search.limited and (since == self.patience or generation + 1 == self.generations):
                return

    def _start(self, search: Evaluator, rng: np.random.Generator) -> np.ndarray:
        """First generation: what the baselines left on the front, at most half of it, and sizes drawn evenly."""
        known = search.front.subsets
        if len(known) > self.population // 2:
            known = known[np.linspace(0, len(known) - 1, self.population // 2).round().astype(int)]
        taken = {subset.tobytes() for subset in known}
        rows = list(known)
        while len(rows) < self.population:
            for subset in random_subsets(self.population, len(search.pool), rng):
                if len(rows) < self.population and subset.tobytes() not in taken:
                    taken.add(subset.tobytes())
                    rows.append(subset)
        return np.array(rows)


def _walk_baselines(search: Evaluator, rng: np.random.Generator) -> None:
    n = len(search.pool)
    neighbours = n * (n + 1) // 2 + n
    for baseline, cost in ((BackwardElimination(), n), (ForwardGreedy(), neighbours), (BackwardWrapper(), neighbours)):
        if cost <= search.left / 2:
            baseline.select(search, rng)


def _all_subsets(n_members: int) -> np.ndarray:
    codes = np.arange(1, 2**n_members)
    return np.asarray((codes[:, None] >> np.arange(n_members) & 1).astype(bool))
