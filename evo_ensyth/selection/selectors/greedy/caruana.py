"""Ensemble selection with replacement: add the member that helps most, again and again.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004: sections 2.1 (with
replacement), 2.2 (sorted initialisation) and 2.3 (bagging). The paper adds probabilities; this selector counts votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class Caruana:
    """Grow multisets of members, in which some have several votes.

    Attributes
    ----------
    rounds : int
        Size of each multiset, counting repetitions.
    initial : int
        Number of best members that each multiset starts with.
    bags : int
        Number of multisets, each grown from a random part of the pool (section 2.3); 1 uses the whole pool.
    share : float
        Size of that part, as a share of the pool.

    Notes
    -----
    A front holds sets, in which every member has one vote. After each round the members of the multiset are therefore
    evaluated without their multiplicities; what the multiplicities gain is not counted. Of members that help equally,
    one that has no vote yet joins, the one with the fewest errors of its own first.
    """

    rounds: int = setting(100, at_least=1)
    initial: int = setting(1, at_least=1)
    bags: int = setting(1, at_least=1)
    share: float = setting(0.5, above=0, at_most=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the members of every multiset, round by round."""
        n_members = len(search.pool)
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        for _ in range(self.bags):
            allowed = np.ones(n_members, bool)
            if self.bags > 1:
                n_allowed = max(1, round(self.share * n_members))
                allowed = np.isin(np.arange(n_members), rng.choice(n_members, n_allowed, replace=False))
            multiset = np.zeros(n_members, np.int64)
            multiset[best_first[allowed[best_first]][: self.initial]] = 1
            search.evaluate((multiset > 0)[None])
            for _ in range(self.rounds - int(multiset.sum())):
                # Of equals one that has no vote yet: further votes for the best one alone would change nothing.
                errors = search.joined_errors(multiset, allowed)
                joining = int(np.lexsort((search.votes.member_errors, multiset > 0, errors))[0])
                multiset[joining] += 1
                if multiset[joining] == 1:
                    search.evaluate((multiset > 0)[None])
