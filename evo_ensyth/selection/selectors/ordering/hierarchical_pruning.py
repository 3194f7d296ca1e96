"""Hierarchical pruning (HQ): drop the least diverse ensembles of each size and all that contain them.

In the style of Wu, Liu, "Boosting Deep Ensemble Performance with Hierarchical Pruning", ICDM 2021, and Wu et al.,
"Hierarchical Pruning of Deep Ensembles with Focal Diversity", ACM TIST 15(1), 2024.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.engine.diversity import MEASURES
from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.shares import rounded_down

# Rounding, because sums taken in different orders may differ for ensembles that are equally diverse.
DECIMALS = 12


@dataclass(frozen=True)
class HierarchicalPruning:
    """Drop the least diverse ensembles of each size, from pairs upwards, and evaluate the others.

    Attributes
    ----------
    metric : str
        Measure of diversity: one of `evo_ensyth.engine.diversity.MEASURES`.
    focal : bool
        Use the focal form: measured on the errors of one member, averaged over the members.
    beta : float
        Share of the ensembles of each size that are dropped, rounded down to whole ensembles.
    max_size : int
        Size of the largest ensembles.
    most_teams : int
        Largest number of ensembles of one size. If the members form more, the members with the most errors of their own
        are left out, from this size on: by default 134 members of a larger pool form triples, and 36 form ensembles of
        five.

    Notes
    -----
    Single members have no diversity and are all evaluated. Of equally diverse ensembles, the one whose members make
    more errors is dropped first, then the one with the worst members; their joint errors are unknown until they are
    evaluated.

    Unlike in the published code, the focus of a member is all of its errors, not a sample of them; the focal values of
    the members are averaged without rescaling or weights; and everything is measured on the search split.
    """

    metric: str = setting("generalised_diversity", one_of=MEASURES)
    focal: bool = True
    beta: float = setting(0.1, at_least=0, below=1)
    max_size: int = setting(5, at_least=1)
    most_teams: int = setting(400_000, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate all ensembles that survive, from small to large."""
        # Members are numbered by their places in this order, so that the worst come last.
        best_first = np.argsort(search.votes.member_errors, kind="stable")
        errors = search.votes.member_errors[best_first]
        diversity = views.diversity(search.votes)
        n_left = len(best_first)
        survivors = np.arange(n_left)[:, None]
        search.evaluate(_subsets(best_first[survivors], len(search.pool)))
        for size in range(2, min(self.max_size, n_left) + 1):
            while math.comb(n_left, size) > self.most_teams:
                n_left -= 1
            alive = _grown(survivors, n_left)
            subsets = _subsets(best_first[alive], len(search.pool))
            likeness = np.round(diversity.likeness(self.metric, subsets, self.focal), DECIMALS)
            most_diverse_first = np.lexsort((errors[alive].sum(axis=1), likeness))
            survive = np.sort(most_diverse_first[: len(alive) - rounded_down(self.beta, len(alive))])
            survivors = alive[survive]
            search.evaluate(subsets[survive])


def _grown(survivors: np.ndarray, n_left: int) -> np.ndarray:
    """Return all ensembles that are one member larger and contain no dropped one.

    Parameters
    ----------
    survivors : int64, (n_survivors, size)
        Places of the members, in ascending order; ensembles in lexicographic order.
    n_left : int
        Only places below this number are used.

    Returns
    -------
    int64, (n_ensembles, size + 1)
        In lexicographic order.
    """
    parents = survivors[survivors[:, -1] < n_left]
    size = parents.shape[1]
    n_children = n_left - 1 - parents[:, -1]
    first_child = np.repeat(np.cumsum(n_children) - n_children, n_children)
    grown = np.repeat(parents, n_children, axis=0)
    joins = grown[:, -1] + 1 + np.arange(len(grown)) - first_child
    grown = np.column_stack([grown, joins])
    # An ensemble contains a dropped one if any of its subsets with one member less did not survive.
    survived = np.zeros(math.comb(n_left, size), bool)
    survived[_ranks(parents)] = True
    alive = np.ones(len(grown), bool)
    for left_out in range(size):
        alive &= survived[_ranks(np.delete(grown, left_out, axis=1))]
    return np.asarray(grown[alive])


def _ranks(places: np.ndarray) -> np.ndarray:
    """Rank the ensembles of one size in colexicographic order, without gaps: int64, (n_ensembles,)."""
    n_places, size = places.max(initial=0) + 1, places.shape[1]
    choose = np.array([[math.comb(place, k) for k in range(1, size + 1)] for place in range(n_places)])
    return np.asarray(choose[places, np.arange(size)].sum(axis=1))


def _subsets(members: np.ndarray, n_members: int) -> np.ndarray:
    subsets = np.zeros((len(members), n_members), bool)
    np.put_along_axis(subsets, members, True, axis=1)
    return subsets
