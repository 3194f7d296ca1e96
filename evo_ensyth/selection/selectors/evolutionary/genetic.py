"""A genetic algorithm on the error, one population for each size (DEAP).

The search that Alhalabi, Gaber, Basurra, "EnSyth", IEEE SMC 2019, suggest first in place of backward elimination. The
algorithm is put together from DEAP's parts (Fortin, De Rainville, Gardner, Parizeau, Gagne, "DEAP: Evolutionary
Algorithms Made Easy", JMLR 13, 2012).
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator

# Sizes that are tried where none are named, at most.
SPREAD = 12


@dataclass(frozen=True)
class Genetic:
    """Evolve subsets of several sizes side by side, each size on its own.

    Attributes
    ----------
    sizes : tuple of int
        Numbers of members; those above the pool's are passed over. Empty: up to twelve from one to the whole pool, all
        of them in a small pool and otherwise in equal ratios, because small ensembles differ more.
    population : int
        Subsets of each size in one generation.
    crossover, mutation : float
        Probability that two parents are crossed, and that a child has one member swapped.
    patience : int
        A size ends after so many generations without fewer errors. With a budget or a time limit it begins anew.
    generations : int
        Without a budget or a time limit: a size ends after so many in any case.

    Notes
    -----
    A size with no more subsets than the population has all of them judged. Sizes take turns, a generation each, so a
    limit cuts all of them short alike. Where a problem does not ask for ``error``, its first objective is minimised.
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
        """Judge a generation of every size, in one batch, until no size is left."""
        from evo_ensyth.selection.selectors.evolutionary import (
            _deap,  # imported here, because only this selector needs it
        )

        n_members = len(search.pool)
        goal = search.objectives.index(search.guide)
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
