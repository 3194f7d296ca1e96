"""EnSyth's backward elimination: drop the least accurate member until one is left.

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019, phase 3.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class BackwardElimination:
    """Build n_members nested ensembles, from the whole pool down to the best member.

    Notes
    -----
    A member's own accuracy does not change as others leave, so the ensemble of size k consists of the k best members.
    The paper does not say which of equally accurate members leaves first; here it is the last one. The paper measures
    accuracy on the test split; here it is the search split.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the whole path."""
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        rank = np.argsort(best_first, kind="stable")
        sizes = np.arange(len(search.pool), 0, -1)
        search.evaluate(rank[None, :] < sizes[:, None])
