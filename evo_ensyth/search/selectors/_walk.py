"""Walks from neighbour to neighbour that stay warm: mostly to a better one, now and then to a worse one.

Members leave and join in turns, so that the size stays. Who moves is drawn from the Boltzmann distribution over all
who may: Geman, Geman, "Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images", IEEE
Transactions on Pattern Analysis and Machine Intelligence 6(6), 1984; here in its style, since who leaves is drawn by
what remains. All neighbours of a subset are counted in one pass over the votes, so a step costs little more than
judging one child.
"""

from collections.abc import Iterator

import numpy as np

from evo_ensyth.search.evaluator import Evaluator

# Temperature, as a share of the standard deviation among the neighbours. Below a quarter walks are caught in a valley,
# from a half on they seldom come down.
WARMTH = 0.35


def walk(search: Evaluator, subset: np.ndarray, n_steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Walk on and on from a subset, by the criterion, leg after leg.

    Parameters
    ----------
    search : Evaluator
        Counts the neighbours. The walk ends where its budget does not cover the next step.
    subset : bool, (n_members,)
    n_steps : int
        Steps of a leg.
    rng : Generator

    Yields
    ------
    bool, (at most n_steps, n_members)
        The best neighbour at each step of a leg, whether taken or not. They have not been evaluated.
    """
    joining = bool(rng.random() < 0.5)
    while True:
        path, subset, joining = search.warm_walk(subset, joining, rng.random(n_steps), WARMTH)
        yield path
        if len(path) < n_steps:
            return
