"""Views of a split's votes: bit planes, ballots of scores, diversity, holes. Each is made once, on first use.

A view belongs to its ``Votes`` object: asking again for the view of the same votes returns the same object, which is
freed together with the votes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.holes import Holes
from evo_ensyth.engine.plurality import PluralityVotes
from evo_ensyth.engine.sample_blocks import Report
from evo_ensyth.pool import Votes

View = TypeVar("View")
How = ParamSpec("How")


def _made_once(make: Callable[Concatenate[Votes, How], View]) -> Callable[Concatenate[Votes, How], View]:
    """Cache a function of votes for as long as the votes exist. Its result must not refer to them."""
    views: WeakKeyDictionary[Votes, View] = WeakKeyDictionary()

    @wraps(make)
    def view(votes: Votes, /, *how: How.args, **named: How.kwargs) -> View:
        if votes not in views:
            views[votes] = make(votes, *how, **named)
        return views[votes]

    return view


@_made_once
def bit_planes(votes: Votes, report: Report = lambda done, total: None) -> BitPlanes:
    """Labels, laid out for counting; ``report`` is told how far that is.

    Raises
    ------
    InputError
        The bit planes are too large; see `BitPlanes.of`.
    """
    return BitPlanes.of(votes, report)


@_made_once
def plurality_votes(votes: Votes) -> PluralityVotes:
    """Plurality votes, ties to the lowest class."""
    return PluralityVotes.of(votes, bit_planes(votes))


@_made_once
def ballots(votes: Votes) -> Ballots:
    """Scores of the members as they are, one ballot for each.

    Raises
    ------
    InputError
        The votes have no scores, or the ballots take too much memory; see `Ballots.of`.
    """
    return Ballots.of(votes, np.zeros(votes.n_members), np.ones(votes.n_members))


@_made_once
def diversity(votes: Votes) -> Diversity:
    """Counts of how differently the members err and predict."""
    return Diversity.of(votes)


@_made_once
def holes(votes: Votes) -> Holes:
    """Samples that members do not answer."""
    return Holes.of(votes)
