"""Sets of voters of a multiset: an archive holds sets, while members of a multiset may have several votes."""

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


class Levels:
    """Evaluates the voters of multisets as sets: those with at least one vote, at least two, and so on, each set once.

    An archive holds sets, in which every member has one vote, so what a multiset gains by repeated votes is not
    counted. The number of votes of a member does show whether it may be left out.
    """

    def __init__(self) -> None:
        self._evaluated: set[bytes] = set()

    def evaluate(self, search: Evaluator, multisets: np.ndarray) -> None:
        """Evaluate the sets of voters that were not evaluated before.

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
