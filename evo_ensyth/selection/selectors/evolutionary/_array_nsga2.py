"""NSGA-II on arrays: the population is a block of bits, with no Python code per individual.

Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on
Evolutionary Computation 6(2), 2002. The steps are those of pymoo (see `_pymoo`), with which tests compare it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import moocore
import numpy as np

from evo_ensyth.selection.evaluator import Evaluated
from evo_ensyth.selection.selectors.evolutionary import _breeding, _survival

# Attempts per child; a generation that is not full after them stays smaller.
TRIES = 10
# Rows of the hash tables of evaluated subsets, 16 bytes each: from 256 kB to two tables of 64 MB.
FIRST_ROWS, MOST_ROWS = 2**14, 2**22


@dataclass(frozen=True)
class Survivors:
    """The survivors of a population, in the order of their ranks.

    Attributes
    ----------
    chosen : int64, (n_survive,)
        Rows of the population.
    ranks : int64, (n_survive,)
        0 is the first front.
    crowding : float64, (n_survive,)
    """

    chosen: np.ndarray
    ranks: np.ndarray
    crowding: np.ndarray


def survivors(values: np.ndarray, n_survive: int) -> Survivors:
    """Select by rank and, within the last rank, which does not fit whole, the least crowded; ties go to the first.

    Parameters
    ----------
    values : float64, (n, n_objectives)
    n_survive : int
        At most n.
    """
    ranks = np.asarray(moocore.pareto_rank(values), np.int64)
    crowding = _survival.crowding_distances(values, ranks)
    chosen = _survival.choose(ranks, crowding, n_survive)
    return Survivors(chosen, ranks[chosen], crowding[chosen])


class ArrayNSGA2:
    """NSGA-II with an ask-and-tell interface: `generations` yields subsets, `tell` takes their values.

    Parameters
    ----------
    start : bool, (population, n_members)
        The first generation.
    evaluated : Evaluated
        Its values and violations.
    crossover : float
        Probability that two parents are crossed at all.
    seed : int

    Attributes
    ----------
    judged : Judged
        Subsets that will not be bred again.
    """

    def __init__(self, start: np.ndarray, evaluated: Evaluated, *, crossover: float, seed: int) -> None:
        self.judged = Judged(start.shape[1])
        self.judged.add(start)
        self._n_members = start.shape[1]
        self._size = len(start)
        self._crossover = np.uint64(min(int(crossover * 2**64), 2**64 - 1))
        self._flip_table = _chances_of_flips(self._n_members)
        self._state = np.array([seed], np.uint64)
        self._queue = np.arange(self._size)
        self._queue_at = np.array([self._size])
        self._keep(pack(start), evaluated.penalised)

    @property
    def population(self) -> tuple[np.ndarray, np.ndarray]:
        """The survivors, bool (population, n_members), and their penalised values, (population, n_objectives)."""
        return unpack(self._population, self._n_members), self._values

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation, none evaluated before; ends when no new ones can be found."""
        while True:
            self._children = self._bred()
            if len(self._children) == 0:
                return
            yield unpack(self._children, self._n_members)

    def tell(self, evaluated: Evaluated) -> None:
        """Give the values and violations of the last children."""
        self._compete(self._children, evaluated)

    def join(self, subsets: np.ndarray, evaluated: Evaluated) -> None:
        """Let subsets from elsewhere, already in `judged`, compete for a place in the population."""
        self._compete(pack(subsets), evaluated)

    def _bred(self) -> np.ndarray:
        self.judged.make_room(self._size)
        children = np.empty((self._size, self._population.shape[1]), np.uint64)
        n = _breeding.breed(
            self._state, self._queue, self._queue_at, self._population, self._ranks, self._crowding, self._crossover,
            self._flip_table, self._n_members, self.judged.young, self.judged.old, TRIES, children,
        )  # fmt: skip
        self.judged.count += n
        return children[:n]

    def _compete(self, others: np.ndarray, evaluated: Evaluated) -> None:
        self._keep(np.concatenate([self._population, others]), np.concatenate([self._values, evaluated.penalised]))

    def _keep(self, population: np.ndarray, values: np.ndarray) -> None:
        found = survivors(values, self._size)
        self._population, self._values = population[found.chosen], values[found.chosen]
        self._ranks, self._crowding = found.ranks, found.crowding


class Judged:
    """Remembers which subsets were evaluated: at least the last two million, so that memory stays bounded.

    Up to 128 members a subset is its own key. Beyond, its key is a 128-bit hash; any two of a billion subsets share one
    with a probability of about 10^-21, and then one of them would not be evaluated.

    Parameters
    ----------
    n_members : int

    Attributes
    ----------
    young, old : uint64, (rows, 2)
        Hash tables for `_breeding`; new keys go into the first.
    count : int
        Keys in `young`.
    """

    def __init__(self, n_members: int) -> None:
        self.n_members = n_members
        self.young = np.zeros((FIRST_ROWS, 2), np.uint64)
        self.old = np.zeros((1, 2), np.uint64)
        self.count = 0

    def add(self, subsets: np.ndarray) -> np.ndarray:
        """Remember subsets, bool (n, n_members), and return which of them are new, bool (n,)."""
        self.make_room(len(subsets))
        new: np.ndarray = _breeding.insert_new(self.young, self.old, pack(subsets))
        self.count += int(np.count_nonzero(new))
        return new

    def make_room(self, n: int) -> None:
        """Ensure that `young` is at most half full after n keys are added."""
        while 2 * (self.count + n) > len(self.young):
            if len(self.young) < MOST_ROWS or self.count == 0:
                larger = np.zeros((2 * len(self.young), 2), np.uint64)
                _breeding.insert_all(larger, self.young)
                self.young = larger
            else:
                self.old, self.young, self.count = self.young, np.zeros((MOST_ROWS, 2), np.uint64), 0


def pack(subsets: np.ndarray) -> np.ndarray:
    """Pack bool (n, n_members) into uint64 (n, n_words); bit ``i % 64`` of word ``i // 64`` is member i."""
    n, n_members = subsets.shape
    packed = np.zeros((n, -(-n_members // 64) * 8), np.uint8)
    packed[:, : -(-n_members // 8)] = np.packbits(subsets, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def unpack(packed: np.ndarray, n_members: int) -> np.ndarray:
    """Undo `pack`: bool, (n, n_members)."""
    words = packed.astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(words, axis=1, count=n_members, bitorder="little").view(bool)


def _chances_of_flips(n_members: int) -> np.ndarray:
    """Chance of at most 0, 1, 2, ... flips, each member with probability 1 / n_members: uint64, in units of 2**-64."""
    # Only multiplications: different libraries round logarithms and powers differently.
    quiet = 1.0
    for _ in range(n_members):
        quiet *= 1 - 1 / n_members
    if n_members == 1:
        return np.zeros(1, np.uint64)  # always one flip
    term, total, chances = quiet, quiet, [quiet]
    for k in range(1, min(n_members, 40)):
        term *= (n_members - k + 1) / k / (n_members - 1)
        total += term
        chances.append(total)
    return np.array([min(int(chance * 2**64), 2**64 - 1) for chance in chances], np.uint64)
