"""Kappa pruning: take the pairs of members whose labels agree least, one after the other, until there are enough.

In the style of Margineantu, Dietterich, "Pruning Adaptive Boosting", ICML 1997. Agreement is Cohen's kappa.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.voting import Diversity


@dataclass(frozen=True)
class KappaPruning:
    """The n_members nested ensembles, in the order in which members turn up among the pairs.

    Notes
    -----
    Where both of a pair are new, the one with fewer errors of its own joins first, so that there is an ensemble of
    every size. Of equal pairs the one that holds the best member comes first.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the ensembles of all sizes."""
        n_members = len(search.pool)
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        pairs = best_first[np.stack(np.triu_indices(n_members, 1), axis=1)]
        kappas = Diversity.of(search.votes).kappas[pairs[:, 0], pairs[:, 1]]
        by_kappa = pairs[np.argsort(kappas, kind="stable")]
        # A pool of one has no pairs; in all others the best member is among those that turned up.
        order = list(dict.fromkeys([*by_kappa.ravel().tolist(), int(best_first[0])]))
        rank = np.argsort(order)
        search.evaluate(rank[None, :] < np.arange(1, n_members + 1)[:, None])
