"""Bags, in which members may have several votes, and the sets that a front can hold instead."""

import numpy as np

from evo_ensyth.search.evaluator import Evaluator


class Levels:
    """Has the voters of bags judged as sets: those with a vote, those with two or more, and so on, each set once.

    A front holds sets, and in a set everybody has one vote; what a bag gains by several is not claimed. But how many
    votes it gives to whom says who may be spared.
    """

    def __init__(self) -> None:
        self._judged: set[bytes] = set()

    def judge(self, search: Evaluator, bags: np.ndarray) -> None:
        """Evaluate the sets that were not judged before.

        Parameters
        ----------
        search : Evaluator
        bags : int64, (n_bags, n_members)
        """
        new = {}
        for bag in bags:
            for votes in np.unique(bag[bag > 0]):
                voters = bag >= votes
                new[voters.tobytes()] = voters
        sets = [voters for key, voters in new.items() if key not in self._judged]
        self._judged.update(new)
        if sets:
            search.evaluate(np.array(sets))
