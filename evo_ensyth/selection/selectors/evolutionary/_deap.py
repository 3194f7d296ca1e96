"""The only door to DEAP: its NSGA-II, and its genetic algorithm among subsets of one size, step by step.

Two habits of DEAP stop here. It draws from Python's global generator: `Dice` puts a state of its own in place while
DEAP breeds and puts the old one back afterwards, so that neither disturbs the other. (A thread that draws in that very
moment would notice.) And it keeps the classes of individuals in a global register, `creator`: here they are plain
classes.
"""

import itertools
import math
import random
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np
from deap import algorithms, base, tools

from evo_ensyth.selection.evaluator import Evaluated

# Broods that are bred for one generation until it is full of subsets that were not judged before.
TRIES = 10
TOURNAMENT = 3


class Dice:
    """A state of Python's global generator, in place inside a ``with``."""

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()  # noqa: S311 - no secrets are made here

    def __enter__(self) -> None:
        self._of_others = random.getstate()
        random.setstate(self._state)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._state = random.getstate()
        random.setstate(self._of_others)


class _Error(base.Fitness):  # type: ignore[misc]
    weights = (-1.0,)


class _Subset(list[int]):
    """One bit a member, with the values that DEAP looks for."""

    def __init__(self, bits: Any, fitness: type) -> None:
        super().__init__(bits)
        self.fitness = fitness()

    def twin(self) -> "_Subset":
        """Copy the bits, not the values. DEAP's own way, a deep copy, takes longer than judging an ensemble."""
        return _Subset(self, type(self.fitness))


class _Brood:
    """What both algorithms share: breeding a generation, and remembering what was judged."""

    def __init__(self, population: int, crossover: float, mutation: float) -> None:
        self.toolbox = base.Toolbox()
        self.toolbox.register("clone", _Subset.twin)
        self.population: list[_Subset] = []
        self.children: list[_Subset] = []
        self.size = population
        self._crossover = crossover
        self._mutation = mutation
        self._seen: set[bytes] = set()

    def put(self, children: list[_Subset]) -> np.ndarray:
        """Make these the next to be told about: bool, (n_children, n_members)."""
        self.children = children
        self._seen.update(map(bytes, children))
        return np.array(children, bool)

    def bred(self) -> list[_Subset]:
        """Children that were not judged before, a generation full if there are so many."""
        children: dict[bytes, _Subset] = {}
        for _ in range(TRIES):
            parents = self.toolbox.select(self.population, len(self.population))
            for child in algorithms.varAnd(parents, self.toolbox, self._crossover, self._mutation):
                key = bytes(child)
                if key not in self._seen and len(children) < self.size:
                    children.setdefault(key, child)
            if len(children) == self.size:
                break
        return list(children.values())

    def value(self, values: np.ndarray) -> None:
        """Give the children their values, (n_children, n_objectives)."""
        for child, row in zip(self.children, values.tolist(), strict=True):
            child.fitness.values = row


class NSGA2(_Brood):
    """NSGA-II: tournaments by dominance and crowding, survival by rank and crowding.

    Parameters
    ----------
    start : bool, (population, n_members)
        The first generation; a multiple of four, which DEAP's tournament needs.
    evaluated : Evaluated
        Its values and violations.
    crossover : float
        Probability that two parents are crossed at all.
    dice : Dice
    """

    def __init__(self, start: np.ndarray, evaluated: Evaluated, *, crossover: float, dice: Dice) -> None:
        super().__init__(len(start), crossover, mutation=1.0)
        self.toolbox.register("select", tools.selTournamentDCD)
        self.toolbox.register("mate", tools.cxUniform, indpb=0.5)
        self.toolbox.register("mutate", _flip_or_swap)
        self._dice = dice
        fitness = type("_Minimised", (base.Fitness,), {"weights": (-1.0,) * evaluated.values.shape[1]})
        self.put([_Subset(row, fitness) for row in start.astype(int).tolist()])
        self.tell(evaluated)

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation, none judged before; ends when no new ones can be found."""
        while True:
            with self._dice:
                children = self.put(self.bred())
            if len(children) == 0:
                return
            yield children

    def tell(self, evaluated: Evaluated) -> None:
        """Give the values and violations of the last children."""
        self.value(evaluated.penalised)
        self.population = tools.selNSGA2(self.population + self.children, self.size)


class OneSize(_Brood):
    """A genetic algorithm for one objective among the subsets of one size; children have the size of their parents.

    It breeds with the dice that are on the table: use it inside ``with dice``.

    Attributes
    ----------
    exhausted : bool
        Whether all subsets of this size were judged.
    stale : int
        Generations since the best value fell.
    age : int
        Generations.
    """

    def __init__(self, n_members: int, size: int, *, population: int, crossover: float, mutation: float) -> None:
        super().__init__(population, crossover, mutation)
        self.toolbox.register("select", tools.selTournament, tournsize=TOURNAMENT)
        self.toolbox.register("mate", _share_out)
        self.toolbox.register("mutate", _swap)
        self._n_members = n_members
        self._members = size
        self._n_subsets = math.comb(n_members, size)
        self._best = math.inf
        self.stale = self.age = 0

    @property
    def exhausted(self) -> bool:
        """Whether all subsets of this size were judged."""
        return len(self._seen) == self._n_subsets

    def breed(self) -> np.ndarray:
        """Subsets of the first or the next generation: bool, (n_children, n_members), none judged before."""
        children = self.bred() if self.population else self._first()
        return self.put(children) if children else np.zeros((0, self._n_members), bool)

    def tell(self, values: np.ndarray) -> None:
        """Give the value of each of the last children, (n_children,).

        Of equals the younger survives, so that the population drifts.
        """
        self.value(values[:, None])
        self.population = tools.selBest(self.children + self.population, self.size)
        best = self.population[0].fitness.values[0]
        self.stale = 0 if best < self._best else self.stale + 1
        self.age += 1
        self._best = best

    def _first(self) -> list[_Subset]:
        if self._n_subsets <= self.size:
            chosen = set(itertools.combinations(range(self._n_members), self._members))
        else:
            chosen = set()
            while len(chosen) < self.size:
                chosen.add(tuple(sorted(random.sample(range(self._n_members), self._members))))
        # sorted, because the order of a set is nobody's promise
        return [
            _Subset((int(i in members) for i in range(self._n_members)), _Error) for members in map(set, sorted(chosen))
        ]


def _flip_or_swap(subset: _Subset) -> tuple[_Subset]:
    """Half of the time every bit flips with probability 1/n, else one member is swapped. Nobody is left empty."""
    if random.random() < 0.5:  # noqa: S311
        return _swap(subset)
    tools.mutFlipBit(subset, indpb=1 / len(subset))
    if not any(subset):
        subset[random.randrange(len(subset))] = 1  # noqa: S311
    return (subset,)


def _swap(subset: _Subset) -> tuple[_Subset]:
    """One member leaves, another joins; nothing happens where all or none are in."""
    inside = [i for i, bit in enumerate(subset) if bit]
    outside = [i for i, bit in enumerate(subset) if not bit]
    if inside and outside:
        subset[random.choice(inside)] = 0  # noqa: S311
        subset[random.choice(outside)] = 1  # noqa: S311
    elif not inside:
        subset[random.choice(outside)] = 1  # noqa: S311
    return (subset,)


def _share_out(first: _Subset, second: _Subset) -> tuple[_Subset, _Subset]:
    """Keep what two parents of one size have in common; what only one has is shared out at random, half to each."""
    differing = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    random.shuffle(differing)
    for place, i in enumerate(differing):
        first[i] = int(2 * place < len(differing))
        second[i] = 1 - first[i]
    return first, second
