"""The course that evolutionary selectors have in common: where they start, what they repeat, when they end.

Tiny pools are enumerated. For others the start takes in the paths of the baselines and subsets of all sizes.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.baselines.backward_elimination import BackwardElimination
from evo_ensyth.selection.selectors.baselines.random import random_subsets
from evo_ensyth.selection.selectors.greedy.backward_wrapper import BackwardWrapper
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy

# Walking the whole pool down to one member takes about so many times as long as judging the k best for every k.
WALK_PER_PATH = 5


class Algorithm(Protocol):
    """An algorithm as a dialogue."""

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation, bool (n_children, n_members); end when there are no new ones."""
        ...

    def tell(self, evaluated: Evaluated) -> None:
        """Give the values and violations of the last children."""
        ...


@dataclass(frozen=True)
class EvolutionarySelector(ABC):
    """Settings of an evolutionary selector, and what is the same in all of them.

    Attributes
    ----------
    population : int
    crossover : float
        Probability that two parents are crossed.
    patience : int
        Without a budget or a time limit: end after so many generations in which the hypervolume did not move.
    generations : int
        Without a budget or a time limit: end after so many in any case.
    enumerate : int
        A pool with no more subsets than this has all of them judged, which costs less than evolving them.

    Notes
    -----
    The start takes in the paths of the baselines, so the front is never worse than theirs on the search split. That is
    by construction, and no result. A baseline whose cost exceeds half of the budget that is left is passed over; from
    about 2 m (m + 5) evaluations on, for m members, all of them are in.
    """

    population: int = setting(100, at_least=2)
    crossover: float = setting(0.9, at_least=0, at_most=1)
    patience: int = setting(60, at_least=1)
    generations: int = setting(1_000, at_least=1)
    enumerate: int = setting(65_535, at_least=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge generation after generation."""
        if enumerated(search, self.population, self.enumerate):
            return
        walk_baselines(search, rng)
        start = first_generation(search, self._size(search), rng)
        steps = self._start_algorithm(start, search.evaluate(start), rng)
        since, best = 0, search.archive.hypervolume
        for generation, children in enumerate(steps.generations()):
            steps.tell(search.evaluate(children))
            self._between(search, steps, rng)
            since = 0 if search.archive.hypervolume > best else since + 1
            best = search.archive.hypervolume
            if not search.budget.limited and (since == self.patience or generation + 1 == self.generations):
                return

    def _size(self, search: Evaluator) -> int:
        """How many subsets the first generation has."""
        return self.population

    @abstractmethod
    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        """Start the algorithm with its first generation."""

    def _between(self, search: Evaluator, steps: Algorithm, rng: np.random.Generator) -> None:  # noqa: B027 - may stay empty
        """Do what is to be done between two generations."""


def enumerated(search: Evaluator, population: int, most: int) -> bool:
    """Judge all subsets of a pool that has at most so many, or too few for a population; say whether that was done."""
    n_subsets = 2 ** len(search.pool) - 1
    if n_subsets >= population and n_subsets > min(most, search.budget.remaining):
        return False
    codes = np.arange(1, n_subsets + 1)
    search.evaluate(np.asarray((codes[:, None] >> np.arange(len(search.pool)) & 1).astype(bool)))
    return True


def walk_baselines(search: Evaluator, rng: np.random.Generator) -> None:
    """Judge what the baselines judge, the cheapest first, so that something good is there soon.

    A baseline is passed over where it costs more than half of the budget that is left, and the last one, whose first
    steps are its slowest and worst, also where it would take more than half of the time that is left.
    """
    n = len(search.pool)
    neighbours = n * (n + 1) // 2 + n
    started = time.perf_counter()
    if n <= search.budget.remaining / 2:
        BackwardElimination().select(search, rng)
    walk_seconds = WALK_PER_PATH * (time.perf_counter() - started)
    if neighbours <= search.budget.remaining / 2:
        ForwardGreedy().select(search, rng)
    in_time = search.budget.seconds is None or walk_seconds <= (search.budget.seconds - search.budget.elapsed) / 2
    if neighbours <= search.budget.remaining / 2 and in_time:
        BackwardWrapper().select(search, rng)


def first_generation(search: Evaluator, population: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the first generation: what is on the front, at most half of it, and sizes drawn evenly.

    Returns
    -------
    bool, (population, n_members)
        None twice.
    """
    known = search.archive.subsets
    if len(known) > population // 2:
        known = known[np.linspace(0, len(known) - 1, population // 2).round().astype(int)]
    taken = {subset.tobytes() for subset in known}
    rows = list(known)
    while len(rows) < population:
        for subset in random_subsets(population, len(search.pool), rng):
            if len(rows) < population and subset.tobytes() not in taken:
                taken.add(subset.tobytes())
                rows.append(subset)
    return np.array(rows)
