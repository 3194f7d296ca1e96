"""Complementarity: add the member that is right most often where the ensemble is wrong.

In the style of Martinez-Munoz, Suarez, "Aggregation ordering in bagging", IASTED 2004, pages 258-263, as described in
other accounts of the paper.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.agreement import Growing, Labels
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class Complementarity:
    """Build nested ensembles from the best member up to the whole pool.

    Notes
    -----
    Of members that are right equally often where the ensemble is wrong, the one with fewer errors of its own joins;
    remaining ties go to the first. Only the ensembles on the path are evaluated.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path."""
        votes = search.votes
        right = Labels(votes.y_pred == votes.y_true, n_labels=2)
        ensemble = Growing(votes)
        wrong = np.ones(votes.n_samples, bool)
        while not ensemble.subset.all():
            # |right & wrong| = (|right| + |wrong| - |right ^ wrong|) / 2, where |wrong| is the same for all members.
            missed = votes.member_errors + right.differences(wrong)
            ensemble.join(int(np.lexsort((votes.member_errors, missed, ensemble.subset))[0]))
            search.evaluate(ensemble.subset[None])
            wrong = ensemble.answers != votes.y_true
