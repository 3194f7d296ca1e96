"""Local search: improve a front by adding, removing or swapping single members.

Steepest descent in the union of the one-flip and the swap neighbourhood; see Hoos, Stuetzle, "Stochastic Local Search",
2004, chapter 1.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.baselines.backward_elimination import BackwardElimination
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy


@dataclass(frozen=True)
class LocalSearch:
    """Look at all neighbours of every subset of the front, until none of them enters it.

    Attributes
    ----------
    breadth : int
        Number of neighbours of each kind, those with the fewest errors, that are evaluated on all objectives. For error
        against size, 1 is enough: only the best of a size can enter the front.

    Notes
    -----
    It starts from the current front, or from the paths of two baselines if there is none.
    """

    breadth: int = setting(4, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Improve the front until no neighbour enters it."""
        if len(search.archive) == 0:
            for baseline in (BackwardElimination(), ForwardGreedy()):
                baseline.select(search, rng)
        polish(search, self.breadth)


def polish(search: Evaluator, breadth: int = 1, looked_at: set[bytes] | None = None) -> None:
    """Look at the neighbours of every subset of the front, including subsets that enter it on the way.

    Parameters
    ----------
    search : Evaluator
    breadth : int
        See `LocalSearch`.
    looked_at : set of bytes, optional
        Subsets whose neighbours are already known; updated in place.
    """
    looked_at = set() if looked_at is None else looked_at
    while True:
        new = [subset for subset in search.archive.subsets if subset.tobytes() not in looked_at]
        if not new:
            return
        for subset in new:
            looked_at.add(subset.tobytes())
            search.evaluate(_best_neighbours(search, subset, breadth))


def _best_neighbours(search: Evaluator, subset: np.ndarray, breadth: int) -> np.ndarray:
    """Return the ``breadth`` neighbours of each kind with the fewest errors: bool, (n, n_members)."""
    inside, outside = np.flatnonzero(subset), np.flatnonzero(~subset)
    moves: list[tuple[int, ...]] = []
    if len(outside):
        errors = search.neighbour_errors(subset, ~subset)
        moves += [(member,) for member in _fewest(errors, breadth) if not subset[member]]
    if len(inside) > 1:
        errors = search.neighbour_errors(subset, subset)
        moves += [(member,) for member in _fewest(errors, breadth) if subset[member]]
    if len(outside):
        errors = search.swap_errors(subset)
        pairs = zip(*np.unravel_index(_fewest(errors.ravel(), breadth), errors.shape), strict=True)
        moves += [(int(inside[leaving]), int(outside[joining])) for leaving, joining in pairs]
    neighbours = np.repeat(subset[None], len(moves), axis=0)
    for row, members in enumerate(moves):
        neighbours[row, list(members)] ^= True
    return neighbours


def _fewest(errors: np.ndarray, n: int) -> np.ndarray:
    """Indices of the n smallest numbers; ties go to the first."""
    return np.argsort(errors, kind="stable")[:n]
