"""The views of a split's votes: bit planes, prepared scores, diversity. Each is made once, when somebody first asks.

A view belongs to its ``Votes`` object: whoever asks for the view of the same votes gets the same object, and it is
freed together with the votes.
"""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.soft_votes import SoftVotes
from evo_ensyth.pool import Votes

View = TypeVar("View")


def _made_once(make: Callable[[Votes], View]) -> Callable[[Votes], View]:
    """Keep what a function makes of votes for as long as the votes exist. It must not refer to them."""
    views: WeakKeyDictionary[Votes, View] = WeakKeyDictionary()

    @wraps(make)
    def view(votes: Votes) -> View:
        if votes not in views:
            views[votes] = make(votes)
        return views[votes]

    return view


@_made_once
def bit_planes(votes: Votes) -> BitPlanes:
    """Labels, laid out for counting.

    Raises
    ------
    InputError
        They would take too much memory; see `BitPlanes.of`.
    """
    return BitPlanes.of(votes)


@_made_once
def soft_votes(votes: Votes) -> SoftVotes:
    """Scores, rounded and ready to be added up.

    Raises
    ------
    InputError
        The votes have no scores, or they take too much memory; see `SoftVotes.of`.
    """
    return SoftVotes.of(votes.scores)


@_made_once
def diversity(votes: Votes) -> Diversity:
    """Counts of how differently the members err and answer."""
    return Diversity.of(votes)
