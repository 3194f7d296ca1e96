"""Tabu walks, which descend from neighbour to neighbour.

The errors of all neighbours of a subset are counted in one pass over the votes, so a step costs little more than
evaluating one child, yet chooses among all members.
"""

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import _smoothed_walk_kernel as kernel

# Smallest and largest number of steps during which a member that moved may not move again.
REST = (2, 6)
# Joining and leaving alternate, which swaps members; with this probability a turn is repeated, so that the size drifts.
DRIFT = 0.5


def tabu_walk(search: Evaluator, subset: np.ndarray, n_steps: int, rng: np.random.Generator) -> np.ndarray:
    """Walk from a subset; each step adds, or removes, the member that gives the best value of the leading objective.

    It escapes local optima because members may not move back at once: Glover, "Tabu search, part I", ORSA Journal on
    Computing 1(3), 1989.

    Parameters
    ----------
    search : Evaluator
        Counts the neighbours. The walk ends early if its budget does not cover the next step.
    subset : bool, (n_members,)
    n_steps : int
    rng : Generator

    Returns
    -------
    bool, (at most n_steps, n_members)
        The subsets along the walk. They have not been evaluated.
    """
    subset = subset.copy()
    rests_until = np.zeros(len(subset), np.int64)
    rests = rng.integers(REST[0], REST[1] + 1, n_steps)
    repeats = rng.random(n_steps) < DRIFT
    joining = bool(rng.random() < 0.5)
    path = np.empty((n_steps, len(subset)), bool)
    if search.smoothed_planes is not None:
        planes, most = search.smoothed_planes, float(search.budget.remaining)
        laid_out = (planes.words, planes.first_slot, subset, *planes.smoothed_tables)
        done, n_neighbours = kernel.tabu_walk(*laid_out, rests, repeats, joining, most, path)
        search.budget.spend(n_neighbours)
        return path[:done]
    for step in range(n_steps):
        size = int(np.count_nonzero(subset))
        joining = (joining or size == 1) and size < len(subset)
        movable = ~subset if joining else subset
        candidates = movable & (rests_until <= step)
        if not candidates.any():
            candidates = movable
        if np.count_nonzero(candidates) > search.budget.remaining:
            return path[:step]
        moves = search.neighbour_values(subset, candidates).argmin()
        subset[moves] ^= True
        rests_until[moves] = step + 1 + rests[step]
        path[step] = subset
        joining ^= not repeats[step]
    return path
