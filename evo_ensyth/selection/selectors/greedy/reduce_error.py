"""Reduce-error pruning with back-fitting: add the best member, then try to replace the others.

In the style of Margineantu, Dietterich, "Pruning Adaptive Boosting", ICML 1997, pages 211-218, whose full text was not
available. Without back-fitting this is `forward_greedy`.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class ReduceError:
    """Build one ensemble of every size up to the largest; they need not be nested.

    Attributes
    ----------
    rounds : int
        Largest number of back-fitting rounds after each addition. Rounds stop early once no member is replaced.
    max_size : int
        Size of the largest ensemble. A round over k members looks at k times as many ensembles as an addition.

    Notes
    -----
    Each member in turn, in the order of joining, is replaced by the member that minimises the leading objective (by
    default the error), but only if that is an improvement. Ties go to the first.
    """

    rounds: int = setting(10, at_least=1)
    max_size: int = setting(100, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the resulting ensembles and all neighbours on the way."""
        subset = np.zeros(len(search.pool), bool)
        joining = int(search.votes.member_errors.argmin())
        members: list[int] = []
        while True:
            members.append(joining)
            subset[joining] = True
            search.evaluate(subset[None])
            for _ in range(self.rounds):
                if len(members) == 1 or not _replaced_some(search, subset, members):
                    break
            if len(members) == min(self.max_size, len(subset)):
                return
            joining = int(search.neighbour_values(subset, ~subset).argmin())


def _replaced_some(search: Evaluator, subset: np.ndarray, members: list[int]) -> bool:
    """Replace each member by the best choice for its place, in a subset and the list of its members.

    Returns whether any member was replaced.
    """
    before = list(members)
    for place, leaving in enumerate(before):
        subset[leaving] = False
        values = search.neighbour_values(subset, ~subset)
        best = int(values.argmin())
        members[place] = best if values[best] < values[leaving] else leaving
        subset[members[place]] = True
        if members[place] != leaving:
            search.evaluate(subset[None])
    return members != before
