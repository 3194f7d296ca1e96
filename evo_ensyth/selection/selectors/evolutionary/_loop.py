"""The evolutionary loop shared by selectors: the start, the generations and the stopping rules.

Small pools are enumerated. For others the start includes the paths of the baselines and subsets of all sizes.
"""

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

# Walking from the whole pool down to one member takes about this many times as long as evaluating the k best for all k.
WALK_PER_PATH = 5


class Algorithm(Protocol):
    """An algorithm with an ask-and-tell interface."""

    def generations(self) -> Iterator[np.ndarray]:
        """Yield the children of each generation, bool (n_children, n_members); end when there are no new ones."""
        ...

    def tell(self, evaluated: Evaluated) -> None:
        """Give the values and violations of the last children."""
        ...


@dataclass(frozen=True)
class EvolutionarySelector(ABC):
    """Settings and loop shared by evolutionary selectors.

    Attributes
    ----------
    population : int
        Number of subsets in the population.
    crossover : float
        Probability that two parents are crossed.
    patience : int
        Without a budget or a time limit: stop after this many generations without an increase in hypervolume.
    generations : int
        Without a budget or a time limit: largest number of generations.
    enumerate : int
        If the pool has at most this many subsets, all of them are evaluated, which costs less than evolving them.

    Notes
    -----
    The start includes the paths of the baselines, so the front is never worse than theirs on the search split. This
    holds by construction and is not a result. A baseline whose cost exceeds half of the remaining budget is skipped;
    with about 2 m (m + 5) evaluations or more, for m members, all of them are included.
    """

    population: int = setting(100, at_least=2)
    crossover: float = setting(0.9, at_least=0, at_most=1)
    patience: int = setting(60, at_least=1)
    generations: int = setting(1_000, at_least=1)
    enumerate: int = setting(65_535, at_least=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate generation after generation."""
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
        """Size of the first generation."""
        return self.population

    @abstractmethod
    def _start_algorithm(self, start: np.ndarray, evaluated: Evaluated, rng: np.random.Generator) -> Algorithm:
        """Start the algorithm with its first generation."""

    def _between(self, search: Evaluator, steps: Algorithm, rng: np.random.Generator) -> None:  # noqa: B027 - may stay empty
        """Run between two generations; does nothing by default."""


def enumerated(search: Evaluator, population: int, most: int) -> bool:
    """Evaluate all subsets if there are at most ``most``, or too few for a population; return whether it was done."""
    n_subsets = 2 ** len(search.pool) - 1
    if n_subsets >= population and n_subsets > min(most, search.budget.remaining):
        return False
    codes = np.arange(1, n_subsets + 1)
    search.evaluate(np.asarray((codes[:, None] >> np.arange(len(search.pool)) & 1).astype(bool)))
    search.mark_proven(range(1, len(search.pool) + 1))
    return True


def walk_baselines(search: Evaluator, rng: np.random.Generator) -> None:
    """Run the baselines, the cheapest first, so that good subsets are found early.

    A baseline is skipped if it costs more than half of the remaining budget. The last one, whose first steps are its
    slowest and worst, is also skipped if it would take more than half of the remaining time.
    """
    n = len(search.pool)
    neighbours = n * (n + 1) // 2 + n
    started = search.budget.elapsed
    if n <= search.budget.remaining / 2:
        BackwardElimination().select(search, rng)
    walk_seconds = WALK_PER_PATH * (search.budget.elapsed - started)
    if neighbours <= search.budget.remaining / 2:
        ForwardGreedy().select(search, rng)
    in_time = search.budget.seconds is None or walk_seconds <= (search.budget.seconds - search.budget.elapsed) / 2
    if neighbours <= search.budget.remaining / 2 and in_time:
        BackwardWrapper().select(search, rng)


def first_generation(search: Evaluator, population: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the first generation: subsets of the front, at most half of it, and random ones with uniform sizes.

    Returns
    -------
    bool, (population, n_members)
        Without duplicates.
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
