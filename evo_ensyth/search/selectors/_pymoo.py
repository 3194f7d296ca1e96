"""The only door to pymoo: its NSGA-II, driven step by step, with operators for subsets.

Two things differ from the stock algorithm, neither in what it computes. Ranks come from moocore and the last front is
cut by a stable sort, because pymoo's default sort breaks ties differently on different processors. And duplicates are
found on packed bits, which is many times cheaper than distances.
"""

from collections.abc import Iterator
from typing import Any

import moocore
import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.survival import Survival
from pymoo.core.termination import NoTermination
from pymoo.operators.selection.tournament import TournamentSelection

# Broods that are bred for one generation until it is full of subsets that nobody judged before.
TRIES = 10


class Nsga2Steps:
    """NSGA-II as a dialogue: `ask` for subsets, `tell` their values.

    Parameters
    ----------
    start : bool, (population, n_members)
        The first generation.
    values : float64, (population, n_objectives)
        Its values.
    crossover : float
        Probability that two parents are crossed at all.
    seed : int
    """

    def __init__(self, start: np.ndarray, values: np.ndarray, *, crossover: float, seed: int) -> None:
        self._judged = _Distinct()
        self._judged.remember(start)
        mating = Mating(
            TournamentSelection(func_comp=binary_tournament),
            _UniformCrossover(crossover),
            _FlipOrSwap(),
            repair=_NobodyIsNotAnEnsemble(),
            eliminate_duplicates=self._judged,
            n_max_iterations=TRIES,
        )
        self._algorithm = NSGA2(pop_size=len(start), sampling=start, survival=_StableRankAndCrowding(), mating=mating)
        self._algorithm.tournament_type = "comp_by_rank_and_crowding"
        problem = PymooProblem(n_var=start.shape[1], n_obj=values.shape[1], xl=0, xu=1, vtype=bool)
        self._algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
        self._algorithm.is_initialized = True
        self._algorithm.n_iter = self._algorithm.n_gen = 1
        first = _evaluated(start, values)
        self._algorithm.pop = self._algorithm.survival.do(problem, first, n_survive=len(start))

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation, none judged before; ends when no new ones can be found."""
        while True:
            self._children = self._algorithm.infill()
            if self._children is None or len(self._children) == 0:
                return
            subsets = self._children.get("X").astype(bool)
            self._judged.remember(subsets)
            yield subsets

    def tell(self, values: np.ndarray) -> None:
        """Give the values of the last children, (n_children, n_objectives)."""
        subsets = self._children.get("X").astype(bool)
        self._algorithm.advance(infills=_evaluated(subsets, values))


def _evaluated(subsets: np.ndarray, values: np.ndarray) -> Population:
    population = Population.new("X", subsets, "F", values)
    population.apply(lambda individual: individual.evaluated.update({"F", "G", "H"}))
    return population


class _UniformCrossover(Crossover):  # type: ignore[misc]
    """Each member comes from either parent with equal probability."""

    def __init__(self, probability: float) -> None:
        super().__init__(2, 2, prob=probability)

    def _do(self, problem: Any, parents: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        swap = random_state.random(parents.shape[1:]) < 0.5
        return np.where(swap[None], parents[::-1], parents)


class _FlipOrSwap(Mutation):  # type: ignore[misc]
    """Half of the children: every bit flips with probability 1/n. The others: one member leaves, another joins."""

    def _do(self, problem: Any, subsets: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        subsets = subsets.astype(bool)
        n_subsets, n_members = subsets.shape
        flips = random_state.random(subsets.shape) < 1 / n_members
        draws = random_state.random(subsets.shape)
        swaps = random_state.random(n_subsets) < 0.5
        swaps &= subsets.any(axis=1) & ~subsets.all(axis=1)
        leaving = np.where(subsets, draws, 2.0).argmin(axis=1)
        joining = np.where(subsets, 2.0, draws).argmin(axis=1)
        flips[swaps] = False
        flips[swaps, leaving[swaps]] = True
        flips[swaps, joining[swaps]] = True
        return np.asarray(subsets ^ flips)


class _NobodyIsNotAnEnsemble(Repair):  # type: ignore[misc]
    """A subset without members gets one at random."""

    def _do(self, problem: Any, subsets: np.ndarray, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        empty = np.flatnonzero(~subsets.astype(bool).any(axis=1))
        subsets[empty, random_state.integers(0, subsets.shape[1], len(empty))] = True
        return subsets


class _Distinct(DuplicateElimination):  # type: ignore[misc]
    """Refuses subsets that stand twice in a brood, or were judged in any generation before."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[bytes] = set()

    def remember(self, subsets: np.ndarray) -> None:
        """Note that these were judged."""
        self._seen.update(_keys(subsets))

    def do(self, brood: Any, *others: Any, **kwargs: Any) -> Any:
        """Return the individuals of a brood that are new."""
        if len(brood) == 0:
            return brood
        taken = {key for other in others[1:] if len(other) for key in _keys(other.get("X"))}
        fresh = []
        for i, key in enumerate(_keys(brood.get("X"))):
            if key not in self._seen and key not in taken:
                taken.add(key)
                fresh.append(i)
        return brood[fresh]


def _keys(subsets: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(subsets.astype(bool), axis=1)]


class _StableRankAndCrowding(Survival):  # type: ignore[misc]
    """The survivors of NSGA-II: better ranks first, and within the last rank the least crowded."""

    def __init__(self) -> None:
        super().__init__(filter_infeasible=False)

    def _do(self, problem: Any, population: Any, *args: Any, n_survive: int, **kwargs: Any) -> Any:
        values = population.get("F").astype(float)
        ranks = moocore.pareto_rank(values)
        survivors: list[int] = []
        for rank in range(ranks.max() + 1):
            front = np.flatnonzero(ranks == rank)
            crowding = crowding_distance(values[front])
            for individual, distance in zip(population[front], crowding, strict=True):
                individual.set("rank", rank)
                individual.set("crowding", distance)
            room = n_survive - len(survivors)
            survivors.extend(front[np.argsort(-crowding, kind="stable")[:room]] if len(front) > room else front)
            if len(survivors) == n_survive:
                break
        return population[survivors]


def crowding_distance(values: np.ndarray) -> np.ndarray:
    """How far the neighbours of each point of one front are apart, summed over objectives: float64, (n,).

    Infinite at both ends of each objective. Of points with equal values all but the first get 0.

    References
    ----------
    Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 6(2),
    2002, section III-B.
    """
    distinct, first = np.unique(values, axis=0, return_index=True)
    n, n_objectives = distinct.shape
    distance = np.zeros(n)
    for column in range(n_objectives):
        order = np.argsort(distinct[:, column], kind="stable")
        ordered = distinct[order, column]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    result = np.zeros(len(values))
    result[first] = distance
    return result
