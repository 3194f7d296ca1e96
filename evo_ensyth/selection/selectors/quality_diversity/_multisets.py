"""Breeding of multisets, in which members may have several votes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.voters import Levels

# Largest number of broods bred to fill a batch with multisets that were not evaluated before.
TRIES = 10


@dataclass(frozen=True)
class Breeding:
    """How new multisets are bred from old ones.

    Attributes
    ----------
    batch : int
        Number of multisets that are bred and evaluated together.
    archive : int
        Number of multisets that are kept for breeding.
    crossover : str
        ``two_point``: a segment of one parent replaces that of the other; ``average``: the mean of both, rounded up.
    crossover_rate : float
        Probability that a child has two parents rather than one.
    mutation : float
        Probability that a child of two parents gains or loses a vote. A child of one parent always does.
    evaluations : int
        Number of evaluations per member of the pool, without a budget or a time limit.
    """

    batch: int = setting(40, at_least=1)
    archive: int = setting(49, at_least=1)
    crossover: str = setting("two_point", one_of=("two_point", "average"))
    crossover_rate: float = setting(0.5, at_least=0, at_most=1)
    mutation: float = setting(0.5, at_least=0, at_most=1)
    evaluations: int = setting(50, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)


def evolve(
    search: Evaluator,
    breeding: Breeding,
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Breed multisets from an archive that starts with the best member and random pairs; evaluate its new entries.

    Parameters
    ----------
    search : Evaluator
    breeding : Breeding
    keep : function of multisets, (n, n_members), and errors, (n,), to rows
        Selects the rows that form the next archive from the last archive and the latest batch, in this order.
    rng : Generator
    """
    best = np.zeros((1, len(search.pool)), np.int64)
    best[0, search.votes.member_errors.argmin()] = 1
    levels, seen = Levels(), {best.tobytes()}
    levels.evaluate(search, best)
    multisets, errors = best, search.votes.member_errors.min(keepdims=True)
    batch = _fresh(_random_pairs(breeding.archive, len(search.pool), rng), seen)
    while len(batch) and (
        search.budget.limited or search.budget.n_evaluations < breeding.evaluations * len(search.pool)
    ):
        multisets, errors = np.concatenate([multisets, batch]), np.concatenate([errors, search.multiset_errors(batch)])
        kept = keep(multisets, errors)
        levels.evaluate(search, multisets[kept[kept >= len(multisets) - len(batch)]])
        multisets, errors = multisets[kept], errors[kept]
        batch = _bred(multisets, breeding, seen, rng)


def _random_pairs(n_pairs: int, n_members: int, rng: np.random.Generator) -> np.ndarray:
    """Draw multisets of two members each: int64, (n_pairs, n_members); none if the pool has one member."""
    multisets = np.zeros((n_pairs if n_members > 1 else 0, n_members), np.int64)
    for multiset in multisets:
        multiset[rng.choice(n_members, 2, replace=False)] = 1
    return multisets


def _bred(parents: np.ndarray, breeding: Breeding, seen: set[bytes], rng: np.random.Generator) -> np.ndarray:
    """Breed up to a batch of children that were not evaluated before: int64, (n_children, n_members)."""
    children = np.zeros((0, parents.shape[1]), np.int64)
    for _ in range(TRIES):
        first, second = parents[rng.integers(len(parents), size=(2, breeding.batch))]
        both = rng.random(breeding.batch) < breeding.crossover_rate
        bred = np.where(both[:, None], _crossed(first, second, breeding.crossover, rng), first)
        mutates = ~both | (rng.random(breeding.batch) < breeding.mutation)
        bred[mutates] = _mutated(bred[mutates], rng)
        missing = breeding.batch - len(children)
        children = np.concatenate([children, _fresh(bred[bred.any(axis=1)], seen, missing)])
        if len(children) == breeding.batch:
            break
    return children


def _crossed(first: np.ndarray, second: np.ndarray, crossover: str, rng: np.random.Generator) -> np.ndarray:
    """Breed one child per pair of parents: int64, (n, n_members); two-point crossover may leave a child empty."""
    if crossover == "average":
        return np.asarray((first + second + 1) // 2)
    places = np.arange(first.shape[1])
    cuts = np.sort(rng.integers(first.shape[1] + 1, size=(len(first), 2)), axis=1)
    inside = (places >= cuts[:, :1]) & (places < cuts[:, 1:])
    return np.asarray(np.where(inside, second, first))


def _mutated(multisets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give any member one more vote or, half of the time, take a vote from one that has some: int64, (n, n_members)."""
    multisets = multisets.copy()
    loses = rng.random(len(multisets)) < 0.5
    drawn = rng.random(multisets.shape)
    member = np.where(loses, (drawn * (multisets > 0)).argmax(axis=1), drawn.argmax(axis=1))
    multisets[np.arange(len(multisets)), member] += np.where(loses, -1, 1)
    return np.asarray(np.maximum(multisets, 0))  # a child of very different parents may have no vote to lose


def _fresh(multisets: np.ndarray, seen: set[bytes], most: int | None = None) -> np.ndarray:
    """Return up to ``most`` unseen multisets in lowest terms, as (2, 4) votes like (1, 2), and mark them as seen."""
    multisets = multisets // np.gcd.reduce(multisets, axis=1, keepdims=True)
    rows: list[int] = []
    for row, multiset in enumerate(multisets):
        if most is not None and len(rows) == most:
            break
        if multiset.tobytes() not in seen:
            seen.add(multiset.tobytes())
            rows.append(row)
    return np.asarray(multisets[rows])
