"""Parallel tempering: walks at several temperatures that exchange their places, each around a size of its own.

Swendsen, Wang, "Replica Monte Carlo simulation of spin glasses", Physical Review Letters 57, 1986; Geyer, "Markov
chain Monte Carlo maximum likelihood", Interface 1991. What is cold searches a valley; what is warm finds another.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.objectives.error import error
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.voting.kernels import HOPELESS, REST, drawn
from evo_ensyth.voting.planes import Leg

# Temperatures, as shares of the standard deviation among those with one member less. At the lowest, a walk leaves the
# best subset now and then; at the highest it comes near good ones still.
WARMTHS = np.geomspace(0.38, 0.63, 4)
# Ladders stand at sizes that grow by this factor, and one at least is larger than the best subset by as much: a still
# better one may be larger.
GROWTH = 4 / 3
# A size that is off by this share of it costs a standard deviation; one off by more than FARTHEST times that is barred.
WIDTH = 1 / 7
FARTHEST = 4
# So often the ladder climbs that has met the lowest value, or one that came close to it: a value that is higher by a
# third of the lowest temperature makes it less likely by 1 / e. Else all sizes have equal chances.
LOWEST, CLOSE = 2 / 3, 1 / 3


def wander(
    search: Evaluator,
    subset: np.ndarray,
    rests: np.ndarray,
    penalty: np.ndarray,
    temperature: float,
    chances: np.ndarray,
) -> Leg:
    """Walk from neighbour to neighbour, drawn by the criterion: `Planes.temper` for any of them.

    Parameters
    ----------
    search : Evaluator
        Counts the neighbours. The walk ends early where its budget does not cover the next step.
    subset : bool, (n_members,)
        Where it starts; not empty. Becomes where it ends.
    rests : int64, (n_members,)
        Steps for which a member outside is not looked at, since it would hardly have joined. Becomes those left.
    penalty : float64, (n_members + 1,)
        What each size adds to the criterion; finite for a range of sizes from 1 up, the start's among them.
    temperature : float
        Of the Boltzmann distribution, in units of the criterion; above 0.
    chances : float64, (n_steps,)
        Drawn evenly from [0, 1).

    Returns
    -------
    Leg
        What it met. Nothing of it has been evaluated.
    """
    if search.criterion.name == error.name:
        return search.temper(subset, rests, penalty, temperature, chances)
    spent, size = search.spent, int(np.count_nonzero(subset))
    penalty = np.append(penalty, np.inf)  # nobody can join the whole pool
    best: dict[int, tuple[float, np.ndarray]] = {}
    before = now = math.inf
    deviations: list[float] = []
    for chance in chances:
        leaving = np.flatnonzero(subset) if size > 1 else np.zeros(0, np.int64)
        joining = np.flatnonzero(~subset & (rests <= len(deviations)))
        movers = np.concatenate([leaving, joining])
        if len(movers) > search.left:
            break
        candidates = np.zeros(len(subset), bool)
        candidates[movers] = True
        values = search.neighbour_values(subset, candidates)
        for some, size_then in ((leaving, size - 1), (joining, size + 1)):
            if len(some) == 0 or np.isinf(penalty[size_then]):
                continue
            mover = some[values[some].argmin()]
            if size_then not in best or values[mover] < best[size_then][0]:
                best[size_then] = float(values[mover]), np.where(np.arange(len(subset)) == mover, ~subset, subset)
        deviations.append(float(values[leaving].std()) if len(leaving) else 0.0)
        if len(joining):
            hopeless = values[joining] > values[joining].min() + HOPELESS * temperature
            rests[joining[hopeless]] = len(deviations) - 1 + REST
        penalised = np.concatenate([values[leaving] + penalty[size - 1], values[joining] + penalty[size + 1]])
        chosen = drawn(penalised, temperature, chance)
        before, now = now, float(penalised[chosen])
        size += -1 if chosen < len(leaving) else 1
        subset[movers[chosen]] ^= True
        rests[movers[chosen]] = 0
    np.maximum(rests - len(deviations), 0, out=rests)
    sizes = sorted(best)
    return Leg(
        sizes=np.array(sizes, np.int64),
        values=np.array([best[size][0] for size in sizes]),
        subsets=np.array([best[size][1] for size in sizes]).reshape(-1, len(subset)),
        energy=before + now,
        deviation=float(np.mean(deviations)) if deviations else 0.0,
        n_steps=len(deviations),
        n_neighbours=search.spent - spent,
    )


@dataclass
class Rung:
    """A walk at one temperature.

    Attributes
    ----------
    subset : bool, (n_members,)
        Where it stands.
    rests : int64, (n_members,)
        Steps for which a member outside is not looked at.
    energy : float
        What the criterion and the penalty of the size come to, summed over the last two subsets.
    """

    subset: np.ndarray
    rests: np.ndarray
    energy: float = math.inf


class Ladder:
    """Walks around one size, from the coldest to the warmest.

    A walk flips one member after the other, drawn from the Boltzmann distribution of the criterion. That makes a step
    as likely as the product of the Boltzmann weights of both its ends; so two walks exchange places by the energies of
    their last steps, as Metropolis has it.

    Parameters
    ----------
    search : Evaluator
    size : int
        The size that all keep near to.
    start : bool, (n_members,)
        Where all of them begin; of this size.

    Attributes
    ----------
    lowest : float
        Lowest value of the criterion that a walk has met.
    """

    def __init__(self, search: Evaluator, size: int, start: np.ndarray) -> None:
        self._rungs = [Rung(start.copy(), np.zeros(len(start), np.int64)) for _ in WARMTHS]
        off = np.abs(np.arange(len(start) + 1) - size) / max(1.0, WIDTH * size)
        self._penalty = np.where((off <= FARTHEST) & (np.arange(len(start) + 1) > 0), off**2, np.inf)
        neighbours = start if size > 1 else ~start
        self._least = 1 / search.votes.n_samples
        deviation = float(search.neighbour_values(start, neighbours)[neighbours].std())
        self._unit = max(deviation, self._least)
        self.lowest = math.inf

    @property
    def coldest(self) -> float:
        """The lowest temperature, in units of the criterion."""
        return self._unit * float(WARMTHS[0])

    def climb(self, search: Evaluator, n_steps: int, rng: np.random.Generator) -> np.ndarray:
        """Let all walks together take ``n_steps`` steps, or two each, then exchange places.

        Returns
        -------
        bool, (n, n_members)
            The best neighbour at each size that a walk met. They have not been evaluated.
        """
        unit = self._unit
        best: dict[int, tuple[float, np.ndarray]] = {}
        deviations = []
        for rung, warmth in zip(self._rungs, WARMTHS, strict=True):
            chances = rng.random(max(2, n_steps // len(WARMTHS)))
            leg = wander(search, rung.subset, rung.rests, unit * self._penalty, unit * warmth, chances)
            rung.energy = leg.energy
            deviations.append(leg.deviation)
            for size, value, subset in zip(leg.sizes.tolist(), leg.values.tolist(), leg.subsets, strict=True):
                if size not in best or value < best[size][0]:
                    best[size] = value, subset
        self._unit = max(float(np.mean(deviations)), self._least)
        self.lowest = min([self.lowest, *(value for value, _ in best.values())])
        for i in reversed(range(len(WARMTHS) - 1)):
            colder, warmer = self._rungs[i : i + 2]
            favour = (1 / WARMTHS[i] - 1 / WARMTHS[i + 1]) * (colder.energy - warmer.energy) / unit
            if rng.random() < math.exp(min(favour, 0.0)):
                self._rungs[i : i + 2] = warmer, colder
        return np.array([subset for _, subset in best.values()]).reshape(-1, len(self._penalty) - 1)


class Tempering:
    """Ladders around all sizes up to more than that of the best subset."""

    def __init__(self) -> None:
        self._ladders: dict[int, Ladder] = {}

    def climb(self, search: Evaluator, n_steps: int, rng: np.random.Generator) -> np.ndarray:
        """Let the walks of one ladder take ``n_steps`` steps together; most often where the best of all may be.

        Returns
        -------
        bool, (n, n_members)
            The best neighbour at each size that they met. They have not been evaluated.
        """
        sizes = np.count_nonzero(search.front.subsets, axis=1)
        best = search.front.values[:, search.objectives.index(search.criterion)].argmin()
        for size in sizes_in_mind(int(sizes[best]), len(search.pool)):
            if size not in self._ladders:
                nearest = search.front.subsets[np.abs(sizes - size).argmin()]
                self._ladders[size] = Ladder(search, size, _resized(nearest, size, rng))
                return self._ladders[size].climb(search, n_steps, rng)
        return self._chosen(rng).climb(search, n_steps, rng)

    def _chosen(self, rng: np.random.Generator) -> Ladder:
        ladders = list(self._ladders.values())
        if rng.random() < LOWEST:
            lowest = np.array([ladder.lowest for ladder in ladders])
            place = drawn(lowest, CLOSE * ladders[int(lowest.argmin())].coldest, rng.random())
        else:
            stand = np.array(list(self._ladders))
            place = np.abs(stand - rng.integers(1, stand.max() + 1)).argmin()
        return ladders[int(place)]


def sizes_in_mind(best: int, most: int) -> list[int]:
    """Sizes from 1 on, each a third more than the one before, rounded up, until one is a third more than ``best``."""
    sizes = [1]
    while sizes[-1] < best * GROWTH and math.ceil(sizes[-1] * GROWTH) <= most:
        sizes.append(math.ceil(sizes[-1] * GROWTH))
    return sizes


def _resized(subset: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Let some join, or leave, so that a subset has that size."""
    resized = subset.copy()
    excess = int(np.count_nonzero(subset)) - size
    resized[rng.permutation(np.flatnonzero(subset == (excess > 0)))[: abs(excess)]] = excess < 0
    return resized
