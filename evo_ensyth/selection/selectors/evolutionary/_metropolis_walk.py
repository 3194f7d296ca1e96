"""Metropolis walks: the next member to join or leave is drawn by its effect on the leading objective.

A draw among all neighbours, as in Bortz, Kalos, Lebowitz, "A new algorithm for Monte Carlo simulation of Ising spin
systems", Journal of Computational Physics 17, 1975; sizes are levelled as in Torrie, Valleau, "Nonphysical sampling
distributions in Monte Carlo free-energy estimation: umbrella sampling", Journal of Computational Physics 23, 1977.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import BitPlanes
from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import _metropolis_kernel as kernel
from evo_ensyth.selection.selectors.evolutionary import _smoothed_walk_kernel as smoothed_kernel
from evo_ensyth.selection.selectors.evolutionary._metropolis_kernel import HOPELESS, REST

# Temperatures are drawn between these, as shares of the standard deviation among neighbours with one member less. At
# the lower, a walk leaves the best subset now and then; at the higher, it still comes near good ones.
WARMTHS = 0.4, 0.6
# A size that is off by this share costs one standard deviation, unless the leading objective alone decides; sizes off
# by more than FARTHEST times that are barred.
WIDTH = 1 / 3
FARTHEST = 2
# Walks are kept at sizes that grow by this factor, up to one that exceeds the size of the best subset by as much.
GROWTH = 3 / 2
# Probability of continuing the walk around the best subset rather than one that searches all sizes alike.
LEADING = 2 / 3


@dataclass(frozen=True)
class WalkLeg:
    """Result of some steps of a walk from neighbour to neighbour.

    Attributes
    ----------
    sizes : int64, (n_sizes,)
        Sizes of neighbours that are not barred: their penalty is finite.
    values : float64, (n_sizes,)
        The lowest value met at each size.
    subsets : bool, (n_sizes, n_members)
        The neighbours with these values, whether or not the walk moved there.
    deviation : float
        Standard deviation of the values after one member leaves, averaged over the steps that considered all members.
    n_steps, n_neighbours : int
        Numbers of steps taken and of neighbours considered.
    """

    sizes: np.ndarray
    values: np.ndarray
    subsets: np.ndarray
    deviation: float
    n_steps: int
    n_neighbours: int


def metropolis_walk(
    search: Evaluator, subset: np.ndarray, penalty: np.ndarray, temperature: float, chances: np.ndarray
) -> WalkLeg:
    """Walk from neighbour to neighbour; each move is drawn by its effect on the leading objective.

    Parameters
    ----------
    search : Evaluator
        Counts the neighbours. The walk ends early if its budget does not cover the next step.
    subset : bool, (n_members,)
        Start of the walk; not empty. Updated in place to its end.
    penalty : float64, (n_members + 1,)
        Added to the leading objective, by size; finite for a range of sizes from 1 up that includes the size of the
        start.
    temperature : float
        Temperature of the Boltzmann distribution, in units of the leading objective; above 0.
    chances : float64, (n_steps,)
        Drawn uniformly from [0, 1).

    Returns
    -------
    WalkLeg
        The neighbours met. None of them has been evaluated.
    """
    if search.leading.counts == "errors" and search.planes is not None:
        return _by_error(search, search.planes, subset, penalty, temperature, chances)
    if search.smoothed_planes is not None:
        return _by_smoothed_error(search, search.smoothed_planes, subset, penalty, temperature, chances)
    return _by_objective(search, subset, penalty, temperature, chances)


def _by_error(
    search: Evaluator,
    planes: BitPlanes,
    subset: np.ndarray,
    penalty: np.ndarray,
    temperature: float,
    chances: np.ndarray,
) -> WalkLeg:
    """Walk on the bit planes, on one thread; see `metropolis_walk`."""
    search.budget.raise_if_done()
    within = np.flatnonzero(np.isfinite(penalty))
    lowest = np.full(len(within), planes.n_samples + 1)
    reached = np.zeros((len(within), planes.n_members), bool)
    laid_out = (planes.words, planes.ties, planes.leads, planes.first_slot, planes.closest, planes.lost)
    walk = (planes.n_samples, subset, penalty, temperature, chances, float(search.budget.remaining))
    n_steps, n_neighbours, deviations = kernel.metropolis_walk(*laid_out, *walk, lowest, reached)
    search.budget.spend(n_neighbours)
    met = lowest <= planes.n_samples
    deviation = deviations / max(-(-n_steps // REST), 1)
    return WalkLeg(within[met], lowest[met] / planes.n_samples, reached[met], deviation, n_steps, n_neighbours)


def _by_smoothed_error(
    search: Evaluator,
    planes: BitPlanes,
    subset: np.ndarray,
    penalty: np.ndarray,
    temperature: float,
    chances: np.ndarray,
) -> WalkLeg:
    """Walk by the smoothed error, on one thread; see `metropolis_walk`."""
    search.budget.raise_if_done()
    lowest = np.full(len(penalty), np.inf)
    reached = np.zeros((len(penalty), planes.n_members), bool)
    walk = (float(STEPS * planes.n_samples), penalty, temperature, chances, float(search.budget.remaining))
    laid_out = (planes.words, planes.first_slot, subset, *planes.smoothed_tables)
    n_steps, n_neighbours, deviations = smoothed_kernel.metropolis_walk(*laid_out, *walk, lowest, reached)
    search.budget.spend(n_neighbours)
    met = np.flatnonzero(np.isfinite(lowest))
    return WalkLeg(met, lowest[met], reached[met], deviations / max(-(-n_steps // REST), 1), n_steps, n_neighbours)


def _by_objective(
    search: Evaluator, subset: np.ndarray, penalty: np.ndarray, temperature: float, chances: np.ndarray
) -> WalkLeg:
    """Walk by any leading objective: each step computes the values of the neighbours; see `metropolis_walk`."""
    size, counted = int(np.count_nonzero(subset)), 0
    movers = all_members = np.arange(len(subset))
    best: dict[int, tuple[float, np.ndarray]] = {}
    deviations: list[float] = []
    for step, chance in enumerate(chances):
        if step % REST == 0:
            movers = all_members
        if len(movers) > search.budget.remaining:
            break
        counted += len(movers)
        leaves = subset[movers]
        candidates = np.zeros(len(subset), bool)
        candidates[movers[~leaves] if size == 1 else movers] = True
        values = search.neighbour_values(subset, candidates)[movers]
        hopeless = np.zeros(len(movers), bool)
        penalised = np.empty(len(movers))
        for some, size_then in ((leaves, size - 1), (~leaves, size + 1)):
            if not some.any():
                continue
            penalised[some] = values[some] + penalty[size_then]
            lowest = values[some].min()
            hopeless |= some & (values > lowest + HOPELESS * temperature)
            if np.isfinite(penalty[size_then]) and (size_then not in best or lowest < best[size_then][0]):
                mover = movers[some][values[some].argmin()]
                best[size_then] = float(lowest), np.where(all_members == mover, ~subset, subset)
        if step % REST == 0:
            deviations.append(float(values[leaves].std()) if size > 1 else 0.0)
        chosen = kernel.draw_boltzmann(penalised, temperature, chance)
        hopeless[chosen] = False
        size += -1 if leaves[chosen] else 1
        subset[movers[chosen]] ^= True
        movers = movers[~hopeless]
    else:
        step = len(chances)
    sizes = sorted(best)
    return WalkLeg(
        sizes=np.array(sizes, np.int64),
        values=np.array([best[size][0] for size in sizes]),
        subsets=np.array([best[size][1] for size in sizes]).reshape(-1, len(subset)),
        deviation=float(np.mean(deviations)) if deviations else 0.0,
        n_steps=step,
        n_neighbours=counted,
    )


class Walk:
    """A walk that stays within reach of one size, and near it if sizes are levelled.

    Parameters
    ----------
    search : Evaluator
    size : int
        The central size.
    start : bool, (n_members,)
        Start of the walk; has this size.

    Attributes
    ----------
    subset : bool, (n_members,)
        Current position.
    """

    def __init__(self, search: Evaluator, size: int, start: np.ndarray) -> None:
        self.subset = start.copy()
        off = np.abs(np.arange(len(start) + 1) - size) / max(1.0, WIDTH * size)
        self._penalty = np.where((off <= FARTHEST) & (np.arange(len(start) + 1) > 0), off**2, np.inf)
        self._least = 1 / search.votes.n_samples
        neighbours = start if size > 1 else ~start
        self._unit = max(float(search.neighbour_values(start, neighbours)[neighbours].std()), self._least)

    def walk(self, search: Evaluator, n_steps: int, level: np.ndarray | None, rng: np.random.Generator) -> WalkLeg:
        """Take some steps at a random temperature.

        Parameters
        ----------
        search : Evaluator
        n_steps : int
        level : float64, (n_members + 1,), optional
            Subtracted from the leading objective, by size: with the best known values, all sizes are equally
            attractive. By default, sizes that are not barred have no penalty, and the walk follows the leading
            objective.
        rng : numpy.random.Generator

        Returns
        -------
        WalkLeg
            The neighbours met. None of them has been evaluated.
        """
        temperature = self._unit * rng.uniform(*WARMTHS)
        if level is None:
            penalty = np.where(np.isfinite(self._penalty), 0.0, np.inf)
        else:
            penalty = self._unit * self._penalty - level
        walked = metropolis_walk(search, self.subset, penalty, temperature, rng.random(n_steps))
        self._unit = max(walked.deviation, self._least)
        return walked


class MetropolisWalks:
    """A walk around the best subset, by the objective alone, and walks at all sizes up to beyond its size.

    Attributes
    ----------
    neighbours_per_step : float
        Mean number of neighbours considered per step of the last walk; 0 before the first.
    """

    def __init__(self) -> None:
        self.neighbours_per_step = 0.0
        self._walks: dict[tuple[bool, int], Walk] = {}

    def walk(self, search: Evaluator, n_steps: int, rng: np.random.Generator) -> np.ndarray:
        """Continue one of the walks, most often the one around the best subset.

        Returns
        -------
        bool, (n, n_members)
            The best neighbour met at each size. They have not been evaluated.
        """
        sizes = np.count_nonzero(search.archive.subsets, axis=1)
        values = search.archive.values[:, search.objectives.index(search.leading)]
        size = int(sizes[values.argmin()])
        leads = bool(rng.random() < LEADING)
        level = None
        if not leads:
            level = best_up_to_each_size(sizes, values, len(search.pool))
            stand = np.array(sizes_in_mind(size, len(search.pool)))
            size = int(stand[np.abs(stand - rng.integers(1, stand[-1] + 1)).argmin()])
        if (leads, size) not in self._walks:
            nearest = search.archive.subsets[np.abs(sizes - size).argmin()]
            self._walks[leads, size] = Walk(search, size, _resized(nearest, size, rng))
        walked = self._walks[leads, size].walk(search, n_steps, level, rng)
        self.neighbours_per_step = walked.n_neighbours / max(walked.n_steps, 1)
        return walked.subsets


def best_up_to_each_size(sizes: np.ndarray, values: np.ndarray, most: int) -> np.ndarray:
    """Lowest value at or below each size from 0 to ``most``; below the smallest size given, the lowest value there.

    Parameters
    ----------
    sizes : int64, (n,)
    values : float64, (n,)
    most : int

    Returns
    -------
    float64, (most + 1,)
    """
    lowest = np.full(most + 1, np.inf)
    np.minimum.at(lowest, np.append(sizes, 0), np.append(values, values[sizes == sizes.min()].min()))
    return np.minimum.accumulate(lowest)


def sizes_in_mind(best: int, most: int) -> list[int]:
    """Sizes from 1 on, each 1.5 times the one before, rounded up, until one is at least 1.5 times ``best``."""
    sizes = [1]
    while sizes[-1] < best * GROWTH and math.ceil(sizes[-1] * GROWTH) <= most:
        sizes.append(math.ceil(sizes[-1] * GROWTH))
    return sizes


def _resized(subset: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Add or remove random members so that a subset has a given size."""
    resized = subset.copy()
    excess = int(np.count_nonzero(subset)) - size
    resized[rng.permutation(np.flatnonzero(subset == (excess > 0)))[: abs(excess)]] = excess < 0
    return resized
