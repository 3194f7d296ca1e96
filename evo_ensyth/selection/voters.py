"""The sets that an archive can hold of a multiset, in which members may have several votes."""

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


class Levels:
    """Evaluates the voters of multisets as sets: those with a vote, those with two or more, and so on, each set once.

    An archive holds sets, in which every member has one vote, so what a multiset gains by repeated votes is not
    claimed. But the number of its votes says which member may be left out.
    """

    def __init__(self) -> None:
        self._evaluated: set[bytes] = set()

    def evaluate(self, search: Evaluator, multisets: np.ndarray) -> None:
        """Evaluate the sets that were not evaluated before.

        Parameters
        ----------
        search : Evaluator
        multisets : int64, (n_multisets, n_members)
        """
        new = {}
        for multiset in multisets:
            for votes in np.unique(multiset[multiset > 0]):
                voters = multiset >= votes
                new[voters.tobytes()] = voters
        sets = [voters for key, voters in new.items() if key not in self._evaluated]
        self._evaluated.update(new)
        if sets:
            search.evaluate(np.array(sets))
