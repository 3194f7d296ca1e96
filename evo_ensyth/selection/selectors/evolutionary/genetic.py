"""A genetic algorithm on the error, one population for each size (DEAP).

The first alternative to backward elimination that Alhalabi, Gaber, Basurra, "EnSyth", IEEE SMC 2019, suggest. The
algorithm is built from DEAP's components (Fortin, De Rainville, Gardner, Parizeau, Gagne, "DEAP: Evolutionary
Algorithms Made Easy", JMLR 13, 2012).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator

# Largest number of sizes if none are given.
SPREAD = 12


@dataclass(frozen=True)
class Genetic:
    """Evolve subsets of several sizes, with an independent population for each size.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of members; those larger than the pool are reduced to its size. If empty, up to twelve sizes from one
        to the whole pool: all of them in a small pool, otherwise in equal ratios, because small ensembles differ more.
    population : int
        Number of subsets of each size in one generation.
    crossover, mutation : float
        Probability that two parents are crossed, and that a child has one member swapped.
    patience : int
        A size stops after this many generations without improvement. With a budget or a time limit it restarts.
    generations : int
        Without a budget or a time limit: largest number of generations of a size.

    Notes
    -----
    If a size has no more subsets than the population, all of them are evaluated. Sizes take turns, one generation each,
    so that a limit affects all of them alike. If ``error`` is not an objective, the first objective is minimised.
    """

    sizes: tuple[int, ...] = setting((), at_least=1)
    population: int = setting(40, at_least=2)
    crossover: float = setting(0.8, at_least=0, at_most=1)
    mutation: float = setting(0.5, at_least=0, at_most=1)
    patience: int = setting(20, at_least=1)
    generations: int = setting(300, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate a generation of every size, in one batch, until no size is left."""
        from evo_ensyth.selection.selectors.evolutionary import (
            _deap,  # imported here, because only this selector needs it
        )

        n_members = len(search.pool)
        goal = search.objectives.index(search.leading)
        dice = _deap.Dice(int(rng.integers(2**31)))

        def begin(size: int) -> _deap.OneSize:
            rates = {"crossover": self.crossover, "mutation": self.mutation}
            return _deap.OneSize(n_members, size, population=self.population, **rates)

        under_way = {size: begin(size) for size in self._sizes(n_members)}
        while under_way:
            with dice:
                broods = [evolution.breed() for evolution in under_way.values()]
            values = search.evaluate(np.concatenate(broods)).penalised[:, goal]
            ends = np.cumsum([len(brood) for brood in broods])
            for (size, evolution), own in zip(list(under_way.items()), np.split(values, ends[:-1]), strict=True):
                if len(own):
                    evolution.tell(own)
                if evolution.exhausted:
                    del under_way[size]
                elif not len(own) or evolution.stale >= self.patience:
                    if search.budget.limited:
                        under_way[size] = begin(size)
                    else:
                        del under_way[size]
                elif not search.budget.limited and evolution.age >= self.generations:
                    del under_way[size]

    def _sizes(self, n_members: int) -> list[int]:
        if self.sizes:
            return sorted({min(size, n_members) for size in self.sizes})
        if n_members <= SPREAD:
            return list(range(1, n_members + 1))
        return sorted({round(size) for size in np.geomspace(1, n_members, SPREAD).tolist()})
