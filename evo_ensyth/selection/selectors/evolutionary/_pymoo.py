"""The only module that uses pymoo: its algorithms, driven step by step, with operators for subsets.

Blank, Deb, "pymoo: Multi-Objective Optimization in Python", IEEE Access 8, 2020.

NSGA-II differs from the stock algorithm in two ways, neither of which changes what it computes. Ranks come from moocore
and the last front is truncated by a stable sort, because pymoo's default sort breaks ties differently on different
processors. And duplicates are detected on packed bits, which is many times cheaper than computing distances. The other
algorithms have their own survival. Their objectives are scaled so that the first generation spans 0 to 1, because their
constants assume it, and pymoo's sorts inside them may break ties differently on another kind of processor.
"""

import warnings
from collections.abc import Iterator
from math import comb
from typing import Any

import moocore
import numpy as np
from pymoo.algorithms.moo.age import AGEMOEA
from pymoo.algorithms.moo.moead import ParallelMOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.algorithms.moo.nsga3 import NSGA3
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
from pymoo.util.ref_dirs import get_reference_directions

from evo_ensyth.selection.constraints import penalised
from evo_ensyth.selection.evaluator import Evaluated

# Largest number of broods bred to fill a generation with subsets that were not evaluated before.
TRIES = 10
# MOEA/D squares what it minimises, so penalties stay far below the largest float.
LARGEST_SCALED = 1e30
# MOEA/D: number of neighbouring directions for parents and replacement (Zhang, Li 2007 use 20 of 100).
NEIGHBOURS = 20


class PymooSteps:
    """A pymoo algorithm with an ask-and-tell interface: `generations` yields subsets, `tell` takes their values.

    Parameters
    ----------
    algorithm : pymoo Algorithm
        Not set up yet.
    start : bool, (population, n_members)
        The first generation.
    evaluated : Evaluated
        Its values and violations.
    seed : int
    scaled : bool
        Whether objectives are scaled so that the first generation spans 0 to 1.
    constrained : bool
        Whether the algorithm supports constraints. Otherwise it gets penalised values.
    """

    def __init__(
        self,
        algorithm: Any,
        start: np.ndarray,
        evaluated: Evaluated,
        *,
        seed: int,
        scaled: bool = True,
        constrained: bool = True,
    ) -> None:
        values, violations = evaluated
        feasible = values[violations == 0] if (violations == 0).any() else values
        lowest, highest = feasible.min(axis=0), feasible.max(axis=0)
        self._low = lowest if scaled else np.zeros_like(lowest)
        self._span = np.where(highest > lowest, highest - lowest, 1.0) if scaled else np.ones_like(lowest)
        self._constrained = constrained
        self._judged = algorithm.mating.eliminate_duplicates
        self._remember(start)
        self._algorithm = algorithm
        problem = PymooProblem(
            n_var=start.shape[1], n_obj=values.shape[1], n_ieq_constr=int(constrained), xl=0, xu=1, vtype=bool
        )
        with _quiet():
            algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
            algorithm.start_time = 0.0
            # The first generation is already evaluated: it is passed in where the algorithm would have asked for it.
            algorithm.pop = algorithm.opt = Population.empty()
            algorithm.n_iter = 1
            algorithm.advance(infills=self._with_values(Population.new("X", start), evaluated))

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation; end when no new ones can be found."""
        while True:
            with _quiet():
                self._children = self._algorithm.infill()
            if self._children is None or len(self._children) == 0:
                return
            subsets = self._children.get("X").astype(bool)
            self._remember(subsets)
            yield subsets

    def tell(self, evaluated: Evaluated) -> None:
        """Give the values and violations of the last children."""
        with _quiet():
            self._algorithm.advance(infills=self._with_values(self._children, evaluated))

    def _remember(self, subsets: np.ndarray) -> None:
        if isinstance(self._judged, _Distinct):
            self._judged.remember(subsets)

    def _with_values(self, population: Population, evaluated: Evaluated) -> Population:
        values = (evaluated.values - self._low) / self._span
        if self._constrained:
            population.set("F", values, "G", evaluated.violations[:, None])
        else:
            population.set("F", penalised(values, evaluated.violations, LARGEST_SCALED))
        population.apply(_mark_evaluated)
        return population


def nsga2(start: np.ndarray, evaluated: Evaluated, *, crossover: float, seed: int) -> PymooSteps:
    """Start NSGA-II."""
    algorithm = NSGA2(
        pop_size=len(start),
        survival=_StableRankAndCrowding(),
        mating=_mating(TournamentSelection(func_comp=binary_tournament), crossover),
    )
    algorithm.tournament_type = "comp_by_rank_and_crowding"
    return PymooSteps(algorithm, start, evaluated, seed=seed, scaled=False)


def nsga3(start: np.ndarray, evaluated: Evaluated, *, crossover: float, seed: int) -> PymooSteps:
    """Start NSGA-III, with as many reference directions as the population allows."""
    algorithm = NSGA3(reference_directions(evaluated.values.shape[1], len(start)), pop_size=len(start))
    algorithm.mating = _mating(TournamentSelection(func_comp=_smaller_violation), crossover)
    return PymooSteps(algorithm, start, evaluated, seed=seed)


def age_moea(start: np.ndarray, evaluated: Evaluated, *, crossover: float, seed: int) -> PymooSteps:
    """Start AGE-MOEA."""
    mating = _mating(TournamentSelection(func_comp=binary_tournament), crossover)
    algorithm = AGEMOEA(pop_size=len(start), mating=mating)
    algorithm.tournament_type = "comp_by_rank_and_crowding"
    return PymooSteps(algorithm, start, evaluated, seed=seed)


def moead(start: np.ndarray, evaluated: Evaluated, *, crossover: float, seed: int) -> PymooSteps:
    """Start MOEA/D; the first generation has one subset per direction.

    This is the variant of pymoo that breeds a whole generation before it replaces any subset; the other asks for one
    child at a time. Neither rejects duplicates, and every child is evaluated and counted.
    """
    directions = subproblems(evaluated.values.shape[1], len(start))
    algorithm = ParallelMOEAD(
        directions,
        n_neighbors=min(NEIGHBOURS, len(directions)),
        crossover=_UniformCrossover(crossover),
        mutation=_FlipOrSwap(),
        repair=_FillEmpty(),
    )
    return PymooSteps(algorithm, start, evaluated, seed=seed, constrained=False)


def subproblems(n_objectives: int, at_most: int) -> np.ndarray:
    """Weights of the subproblems that MOEA/D solves together; for one objective, the same weight many times."""
    return np.ones((at_most, 1)) if n_objectives == 1 else reference_directions(n_objectives, at_most)


def reference_directions(n_objectives: int, at_most: int) -> np.ndarray:
    """Evenly spread directions, float64 (n, n_objectives): as many as fit into a simplex lattice.

    A second, inner lattice is added if there is room: with many objectives, all points of the first lie on the boundary
    of the simplex.

    References
    ----------
    Das, Dennis, "Normal-boundary intersection", SIAM Journal on Optimization 8(3), 1998. The two layers: Deb, Jain, "An
    evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting approach, part
    I", IEEE Transactions on Evolutionary Computation 18(4), 2014.
    """
    if n_objectives == 1:
        return np.ones((1, 1))

    def lattice(room: int, scaling: float | None = None) -> np.ndarray:
        n_partitions = 0
        while comb(n_partitions + n_objectives, n_objectives - 1) <= room:
            n_partitions += 1
        if n_partitions == 0:
            return np.zeros((0, n_objectives))
        found = get_reference_directions("uniform", n_objectives, n_partitions=n_partitions, scaling=scaling)
        return np.asarray(found)

    outer = lattice(at_most)
    on_the_rim = not (outer > 0).all(axis=1).any()
    return np.concatenate([outer, lattice(at_most - len(outer), 0.5)]) if on_the_rim else outer


def _mating(selection: Any, crossover: float) -> Mating:
    return Mating(
        selection,
        _UniformCrossover(crossover),
        _FlipOrSwap(),
        repair=_FillEmpty(),
        eliminate_duplicates=_Distinct(),
        n_max_iterations=TRIES,
    )


def _smaller_violation(population: Any, pairs: np.ndarray, random_state: Any = None, **kwargs: Any) -> np.ndarray:
    """Of each pair, the one with the smaller violation, or either if equal: pymoo's version draws without a seed."""
    violations = population.get("CV")[:, 0]
    winners = []
    for first, second in pairs:
        if violations[first] == violations[second]:
            winners.append(random_state.choice([first, second]))
        else:
            winners.append(first if violations[first] < violations[second] else second)
    return np.array(winners, int)[:, None]


def _mark_evaluated(individual: Any) -> None:
    individual.evaluated.update({"F", "G", "H"})


class _quiet:  # noqa: N801 - used like a function
    """Silence pymoo's divisions by zero, and restore the warning filters, which NSGA-III changes."""

    def __enter__(self) -> None:
        self._errors = np.errstate(all="ignore")
        self._filters = warnings.catch_warnings()
        self._errors.__enter__()
        self._filters.__enter__()
        warnings.simplefilter("ignore", RuntimeWarning)

    def __exit__(self, *problem: Any) -> None:
        self._filters.__exit__(*problem)
        self._errors.__exit__(*problem)


class _UniformCrossover(Crossover):  # type: ignore[misc]
    """Each member comes from either parent with equal probability."""

    def __init__(self, probability: float) -> None:
        super().__init__(2, 2, prob=probability)

    def _do(self, problem: Any, parents: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        swap = random_state.random(parents.shape[1:]) < 0.5
        return np.where(swap[None], parents[::-1], parents)


class _FlipOrSwap(Mutation):  # type: ignore[misc]
    """Flip every bit with probability 1/n in half of the children; swap one member for another in the others."""

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


class _FillEmpty(Repair):  # type: ignore[misc]
    """Adds a random member to empty subsets."""

    def _do(self, problem: Any, subsets: np.ndarray, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        empty = np.flatnonzero(~subsets.astype(bool).any(axis=1))
        subsets[empty, random_state.integers(0, subsets.shape[1], len(empty))] = True
        return subsets


class _Distinct(DuplicateElimination):  # type: ignore[misc]
    """Rejects subsets that occur twice in a brood or were evaluated in an earlier generation."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[bytes] = set()

    def remember(self, subsets: np.ndarray) -> None:
        """Record that these subsets were evaluated."""
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
        values = penalised(population.get("F").astype(float), population.get("CV")[:, 0])
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
    """Distance between the neighbours of each point of one front, summed over objectives: float64, (n,).

    Infinite at both ends of each objective. Of points with equal values, all but the first get 0.

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
