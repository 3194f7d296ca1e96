"""Ensemble selection with replacement: add the member that helps most, again and again, even one that is in already.

Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004: sections 2.1 (with
replacement), 2.2 (sorted initialisation) and 2.3 (bagging). Theirs adds up probabilities; this one counts votes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator


@dataclass(frozen=True)
class Caruana:
    """Grow bags of members in which some have several votes.

    Attributes
    ----------
    rounds : int
        Members that a bag takes in.
    initial : int
        The bag begins with so many of the best members.
    bags : int
        Bags that are grown, each from a random part of the pool; 1 takes the whole pool.
    share : float
        That part.

    Notes
    -----
    A front holds sets, and in a set everybody has one vote. So after each round the members of the bag are judged
    without their multiplicities; what a bag gains by these is not claimed.
    """

    rounds: int = 100
    initial: int = 1
    bags: int = 1
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.initial < 1 or self.bags < 1 or not 0 < self.share <= 1:
            raise InputError(f"{self} has a setting out of range: 0 < share <= 1, all others 1 or more.")

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the members of every bag, round by round."""
        n_members = len(search.pool)
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        for _ in range(self.bags):
            allowed = np.ones(n_members, bool)
            if self.bags > 1:
                n_allowed = max(1, round(self.share * n_members))
                allowed = np.isin(np.arange(n_members), rng.choice(n_members, n_allowed, replace=False))
            bag = np.zeros(n_members, np.int64)
            bag[best_first[allowed[best_first]][: self.initial]] = 1
            search.evaluate((bag > 0)[None])
            for _ in range(self.rounds - int(bag.sum())):
                joining = int(search.joined_errors(bag, allowed).argmin())
                bag[joining] += 1
                if bag[joining] == 1:
                    search.evaluate((bag > 0)[None])
