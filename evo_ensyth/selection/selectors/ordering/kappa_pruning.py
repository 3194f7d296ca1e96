"""Kappa pruning: take the pairs of members that agree least.

In the style of Margineantu, Dietterich, "Pruning Adaptive Boosting", ICML 1997. Agreement is Cohen's kappa.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class KappaPruning:
    """Build n_members nested ensembles; members join in the order in which they first appear among the pairs.

    Notes
    -----
    If both members of a pair are new, the one with fewer errors of its own joins first, so that there is an ensemble of
    every size. Of pairs with equal kappa, the one with the best member comes first.
    """

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the ensembles of all sizes."""
        n_members = len(search.pool)
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        kappas = views.diversity(search.votes).kappas[np.ix_(best_first, best_first)]
        # A member joins with the first of its pairs: the one with the lowest kappa, or with better members if tied.
        np.fill_diagonal(kappas, np.inf)  # a member does not pair with itself; a pool of one has no pairs
        place = np.arange(n_members)
        partner = kappas.argmin(axis=1)
        first, second = np.minimum(place, partner), np.maximum(place, partner)
        order = best_first[np.lexsort((place, second, first, kappas[place, partner]))]
        rank = np.argsort(order)
        search.evaluate(rank[None, :] < np.arange(1, n_members + 1)[:, None])
