"""Reduce-error pruning with back-fitting: add the best member, then try to replace the others.

Margineantu, Dietterich, "Pruning Adaptive Boosting", ICML 1997, pages 211-218. In the style of: the paper could not be
read. Without back-fitting this is `forward_greedy`.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class ReduceError:
    """One ensemble of every size up to a largest; they need not be nested.

    Attributes
    ----------
    rounds : int
        After each addition: go round the members so often at most, as long as somebody is replaced.
    max_size : int
        Largest ensemble. A round over one of k members looks at k times as many ensembles as an addition.

    Notes
    -----
    Members leave in the order in which they joined, and each place goes to whoever leaves the fewest errors, or is best
    by another criterion if the search is led by one; to another than the one who had it only if that is better. Of
    equally good ones the first is taken.
    """

    rounds: int = setting(10, at_least=1)
    max_size: int = setting(100, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the ensembles that result, with all that is looked at on the way."""
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
    """Give each place to the best, in a subset and the list of its members; whether any place changed hands."""
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
