"""NSGA-II again, by DEAP: an independent check of `nsga2`, from the same first generation.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. The algorithm is DEAP's (Fortin, De Rainville, Gardner, Parizeau, Gagne, "DEAP:
Evolutionary Algorithms Made Easy", JMLR 13, 2012).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors.nsga2 import Nsga2, _walk_baselines


@dataclass(frozen=True)
class Nsga2Deap:
    """Evolve subsets towards the front of all objectives, by DEAP.

    Attributes
    ----------
    population : int
        A multiple of four.
    crossover : float
        Probability that two parents are crossed.
    patience : int
        Without a budget or a time limit: end after so many generations in which the hypervolume did not move.
    generations : int
        Without a budget or a time limit: end after so many in any case.

    Notes
    -----
    A pool with fewer subsets than the population has all of them judged. As in `nsga2`, no subset is judged twice, and
    half of the mutations swap one member for another.
    """

    population: int = 100
    crossover: float = 0.9
    patience: int = 60
    generations: int = 1_000

    def __post_init__(self) -> None:
        if self.population < 4 or self.population % 4:
            raise InputError(f"the population is {self.population}; DEAP's tournaments need a multiple of 4.")
        if not 0 <= self.crossover <= 1 or self.patience < 1 or self.generations < 1:
            raise InputError(f"{self} has a setting out of range: 0 <= crossover <= 1, others >= 1.")

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge generation after generation."""
        n_members = len(search.pool)
        if 2**n_members - 1 < self.population:
            codes = np.arange(1, 2**n_members)
            search.evaluate((codes[:, None] >> np.arange(n_members) & 1).astype(bool))
            return
        from evo_ensyth.search.selectors import _deap  # imported here, because only this selector needs it

        start = _first_generation(search, rng, self.population)
        dice = _deap.Dice(int(rng.integers(2**31)))
        evolution = _deap.Nsga2(start, search.evaluate(start), crossover=self.crossover, dice=dice)
        generation, since, best = 0, 0, search.hypervolume
        while search.limited or (since < self.patience and generation < self.generations):
            children = evolution.breed()
            if len(children) == 0:
                return
            evolution.tell(search.evaluate(children))
            generation += 1
            since = 0 if search.hypervolume > best else since + 1
            best = search.hypervolume


def _first_generation(search: Evaluator, rng: np.random.Generator, population: int) -> np.ndarray:
    """Start from what `nsga2` starts from: bool, (population, n_members)."""
    _walk_baselines(search, rng)
    return Nsga2(population=population)._start(search, rng)
