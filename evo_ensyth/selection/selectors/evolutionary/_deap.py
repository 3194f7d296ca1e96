"""The only module that uses DEAP: its NSGA-II, and its genetic algorithm on subsets of one size, step by step.

It isolates two kinds of global state in DEAP. DEAP draws from Python's global random generator: `Dice` sets a state of
its own while DEAP breeds and restores the old one afterwards, so that neither affects the other. (Another thread that
draws at that moment would be affected.) And DEAP registers the classes of individuals globally, in `creator`: here they
are plain classes.
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

# Largest number of broods bred to fill a generation with subsets that were not evaluated before.
TRIES = 10
TOURNAMENT = 3


class Dice:
    """A state of Python's global random generator, active inside a ``with`` block."""

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
    """One bit per member, with the attributes that DEAP expects."""

    def __init__(self, bits: Any, fitness: type) -> None:
        super().__init__(bits)
        self.fitness = fitness()

    def twin(self) -> "_Subset":
        """Copy the bits, not the values. DEAP's deep copy would take longer than evaluating an ensemble."""
        return _Subset(self, type(self.fitness))


class _Brood:
    """What both algorithms share: breeding a generation and remembering evaluated subsets."""

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
        """Make these the current children and return them as bool, (n_children, n_members)."""
        self.children = children
        self._seen.update(map(bytes, children))
        return np.array(children, bool)

    def bred(self) -> list[_Subset]:
        """Breed up to a generation of children that were not evaluated before."""
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
        """Set the values of the children, (n_children, n_objectives)."""
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
        """Yield the children of each generation, none evaluated before; ends when no new ones can be found."""
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
    """A genetic algorithm for one objective on the subsets of one size; children have the size of their parents.

    It draws from Python's global random generator: use it inside ``with dice``.

    Attributes
    ----------
    exhausted : bool
        Whether all subsets of this size were evaluated.
    stale : int
        Generations since the best value last improved.
    age : int
        Number of generations so far.
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
        """Whether all subsets of this size were evaluated."""
        return len(self._seen) == self._n_subsets

    def breed(self) -> np.ndarray:
        """Subsets of the first or the next generation: bool, (n_children, n_members), none evaluated before."""
        children = self.bred() if self.population else self._first()
        return self.put(children) if children else np.zeros((0, self._n_members), bool)

    def tell(self, values: np.ndarray) -> None:
        """Give the value of each of the last children, (n_children,).

        Of equals, the younger survives, so that the population drifts.
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
        # sorted, because the order of a set is not defined
        return [
            _Subset((int(i in members) for i in range(self._n_members)), _Error) for members in map(set, sorted(chosen))
        ]


def _flip_or_swap(subset: _Subset) -> tuple[_Subset]:
    """Half of the time flip every bit with probability 1/n, otherwise swap one member. Never leaves a subset empty."""
    if random.random() < 0.5:  # noqa: S311
        return _swap(subset)
    tools.mutFlipBit(subset, indpb=1 / len(subset))
    if not any(subset):
        subset[random.randrange(len(subset))] = 1  # noqa: S311
    return (subset,)


def _swap(subset: _Subset) -> tuple[_Subset]:
    """Swap one member for another; the whole pool stays unchanged, and an empty subset gains a member."""
    inside = [i for i, bit in enumerate(subset) if bit]
    outside = [i for i, bit in enumerate(subset) if not bit]
    if inside and outside:
        subset[random.choice(inside)] = 0  # noqa: S311
        subset[random.choice(outside)] = 1  # noqa: S311
    elif not inside:
        subset[random.choice(outside)] = 1  # noqa: S311
    return (subset,)


def _share_out(first: _Subset, second: _Subset) -> tuple[_Subset, _Subset]:
    """Keep what two parents of one size have in common and divide the other members between them at random."""
    differing = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    random.shuffle(differing)
    for place, i in enumerate(differing):
        first[i] = int(2 * place < len(differing))
        second[i] = 1 - first[i]
    return first, second
