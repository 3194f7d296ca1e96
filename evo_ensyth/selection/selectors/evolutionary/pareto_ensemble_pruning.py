"""Pareto ensemble pruning (PEP): mutation, with a local search from every improvement.

Qian, Yu, Zhou, "Pareto Ensemble Pruning", AAAI 2015: a bi-objective evolutionary algorithm on (error, size) with the
variable-depth search of Lin and Kernighan as its local search.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator

# Largest number of children evaluated in one call while none of them enters the archive.
MOST_AT_ONCE = 64
# Steps of a walk evaluated in one call; steps that are not evaluated yet are lost when the time is up.
STEPS_AT_ONCE = 32
# The published number of iterations is very small for a handful of members.
LEAST_ITERATIONS = 2_000


@dataclass(frozen=True)
class ParetoEnsemblePruning:
    """Keep an archive of non-dominated subsets and improve it by mutation and variable-depth search.

    Attributes
    ----------
    iterations : int
        Number of children, without a budget or a time limit; 0 for the published m^2 ln m, for m members, but at least
        2,000.

    Notes
    -----
    The archive holds the front of the problem's own objectives; for error and n_members these are the published ones. A
    child is rejected if a subset of the archive dominates it. Otherwise it replaces all subsets that are no better in
    any objective, including equal ones, so that the archive drifts among equals. A walk minimises the leading objective
    and flips every member once: m (m + 1) / 2 neighbours, all of which count.

    Differences from the paper: no walk starts twice from the same subset, since it would be the same walk, and a child
    equal to its parent is not evaluated again. Of equally good steps, the one to the smaller ensemble is taken. While
    no child enters the archive, children are bred 2, 4, ... at a time from the unchanged archive, which is faster. If
    the budget is too small for the next step of a walk, the walk ends and the rest is spent on children.
    """

    iterations: int = setting(0, at_least=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate children, and the walks from those that enter the archive."""
        n_members = len(search.pool)
        start = rng.random((1, n_members)) < 0.5
        start[0, rng.integers(n_members)] |= not start.any()
        archive = _Archive(start, search.evaluate(start).penalised)
        if n_members == 1:
            return  # its only child would be empty
        iterations = self.iterations or max(LEAST_ITERATIONS, math.ceil(n_members**2 * math.log(n_members)))
        walked: set[bytes] = set()
        bred, brood = 0, 1
        while search.budget.limited or bred < iterations:
            n_children = brood if search.budget.limited else min(brood, iterations - bred)
            children = archive.children(n_children, rng)
            bred += n_children
            brood = min(2 * brood, MOST_AT_ONCE)
            for child, value in zip(children, search.evaluate(children).penalised, strict=True):
                if archive.offer(child, value) and child.tobytes() not in walked:
                    walked.add(child.tobytes())
                    _walk(search, child, archive)
                    brood = 1


@dataclass
class _Archive:
    """Subsets none of which dominates another, with their values."""

    subsets: np.ndarray
    values: np.ndarray

    def children(self, n_children: int, rng: np.random.Generator) -> np.ndarray:
        """Mutants of random members of the archive, without those that are empty or did not change."""
        parents = self.subsets[rng.integers(len(self.subsets), size=n_children)]
        flips = rng.random(parents.shape) < 1 / parents.shape[1]
        children = parents ^ flips
        return np.asarray(children[children.any(axis=1) & flips.any(axis=1)])

    def offer(self, subset: np.ndarray, value: np.ndarray) -> bool:
        """Add a subset unless another dominates it; return whether it was added."""
        as_good = (self.values <= value).all(axis=1)
        if (as_good & (self.values < value).any(axis=1)).any():
            return False
        stays = ~(value <= self.values).all(axis=1)
        self.subsets = np.concatenate([self.subsets[stays], subset[None]])
        self.values = np.concatenate([self.values[stays], value[None]])
        return True


def _walk(search: Evaluator, subset: np.ndarray, archive: _Archive) -> None:
    """Variable-depth search: repeatedly make the best flip, each member once, and offer all subsets on the way."""
    subset = subset.copy()
    untouched = np.ones_like(subset)
    visited: list[np.ndarray] = []
    while True:
        # The last member stays for now: an ensemble may not be empty.
        candidates = untouched & ~subset if np.count_nonzero(subset) == 1 else untouched
        n_candidates = np.count_nonzero(candidates)
        at_the_end = n_candidates == 0 or n_candidates + len(visited) + 1 > search.budget.remaining
        if visited and (at_the_end or len(visited) == STEPS_AT_ONCE):
            steps = np.array(visited)
            for step, value in zip(steps, search.evaluate(steps).penalised, strict=True):
                archive.offer(step, value)
            visited = []
        if at_the_end:
            return
        outcome = search.neighbour_values(subset, candidates)
        best = np.flatnonzero(outcome == outcome.min())
        flip = best[np.argmax(subset[best])]  # the first that leaves, or else the first that joins
        subset[flip] ^= True
        untouched[flip] = False
        visited.append(subset.copy())
