"""Rounds of a proof: parts that are searched with the same limits; and how an executor searches them.

Whoever searches several rounds lowers the limits after each of them. While the first rounds are being searched, later
ones begin with the limits that are known then. If it turns out that these have been lowered meanwhile, which is rare,
the later rounds are searched again. So the result is that of one round after another.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from evo_ensyth.errors import UnfinishedError
from evo_ensyth.executors import Executor
from evo_ensyth.executors.tasks import Division, Outcome, WorkerKilled, sent_once
from evo_ensyth.pool import Votes
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.selection.exact.pairwise_margins import Best, PairwiseMargins, Searched
from evo_ensyth.selection.exact.sizes import subsets_of
from evo_ensyth.selection.exact.tree_search import TreeSearch


@dataclass(frozen=True)
class Round:
    """Parts of a pass that are searched with the same limits.

    Attributes
    ----------
    sizes : range
        Of the pass.
    first : int
        Place of the first part in the pass.
    parts : sequence of Subtree or Part
    n_parts : int
        Of the pass.
    """

    sizes: range
    first: int
    parts: Sequence[Any]
    n_parts: int

    def __str__(self) -> str:
        sizes = f"size {self.sizes[0]}" if len(self.sizes) == 1 else f"sizes {self.sizes[0]} to {self.sizes[-1]}"
        return f"{sizes}, parts {self.first + 1:,} to {self.first + len(self.parts):,} of {self.n_parts:,}"


@dataclass(frozen=True)
class Inputs:
    """What determines a searcher; equal where the key is.

    Attributes
    ----------
    key : str
    votes : Votes
        Without scores.
    reach : int
    by_tree : bool
    """

    key: str
    votes: Votes = field(compare=False)
    reach: int = field(compare=False)
    by_tree: bool = field(compare=False)

    @classmethod
    def of(cls, votes: Votes, reach: int, by_tree: bool) -> "Inputs":
        """Inputs of a searcher, with a key made of the fingerprint of the votes."""
        labels = signed_labels(votes.y_pred, votes.n_classes) if votes.has_holes else votes.y_pred
        bare = Votes(labels, votes.y_true, votes.n_classes, votes.split)
        return cls(f"{votes.fingerprint}-{reach}-{'tree' if by_tree else 'enumeration'}", bare, reach, by_tree)


@lru_cache(maxsize=1)
def searcher_of(inputs: Inputs) -> PairwiseMargins | TreeSearch:
    """What searches parts; kept for the next task."""
    margins = PairwiseMargins(inputs.votes)
    return TreeSearch(inputs.votes, margins, inputs.reach) if inputs.by_tree else margins


def search_rounds(
    rounds: Iterable[Round], inputs: Inputs, limits: np.ndarray
) -> Iterator[tuple[np.ndarray, list[Searched]]]:
    """Search rounds one after another; yield the limits before each, and the result of each of its parts."""
    searcher: Any = searcher_of(inputs)
    for each in rounds:
        searched = [searcher.search(part, each.sizes, limits) for part in each.parts]
        yield limits, searched
        if any(one.better for one in searched):
            limits = limits.copy()  # rounds before keep theirs; the same for many is sent once
            lower(limits, searched)


def lower(limits: np.ndarray, searched: Iterable[Searched]) -> list[Best]:
    """Lower limits in place, and return the improved subsets by size."""
    found: dict[int, Best] = {}
    for one in searched:
        for best in one.better:
            size = int(np.count_nonzero(best.subset))
            if best.errors < limits[size]:
                limits[size:] = np.minimum(limits[size:], best.errors)
                found[size] = best
    return [found[size] for size in sorted(found)]


class DividedRounds:
    """Rounds that an executor searches, ahead of the proof.

    Parameters
    ----------
    executor : Executor
    inputs : Inputs
    rounds : iterable of Round
        All that are left.
    n_subsets : int
        In all of them.
    """

    def __init__(self, executor: Executor, inputs: Inputs, rounds: Iterable[Round], n_subsets: int) -> None:
        self._inputs = sent_once(executor, inputs, inputs.key)
        n_members = inputs.votes.n_members

        def n_subsets_in(each: Round) -> float:
            return subsets_of(n_members, each.sizes) / each.n_parts * len(each.parts)

        self._division = Division(executor, search_rounds, rounds, n_subsets, n_subsets_in)
        self._begun_with: np.ndarray | None = None
        self._found: dict[int, Outcome] = {}
        self._next = 0

    def next(self, limits: np.ndarray, keep_going: Callable[[], bool]) -> tuple[Round, list[Searched]] | None:
        """Return the next round and the results of its parts; None at the end, or once ``keep_going`` returns False.

        Raises
        ------
        UnfinishedError
            The workers that searched this round alone were all killed.
        """
        if self._begun_with is None:
            self._begin(limits)
        while True:
            outcome = self._found.pop(self._next, None)
            if outcome is None:
                outcomes = self._division.outcomes(keep_going)
                if not outcomes:
                    return None
                self._found.update((outcome.index, outcome) for outcome in outcomes)
            elif isinstance(outcome.result, WorkerKilled):
                raise UnfinishedError(
                    f"every worker that searched {outcome.item} was killed; what was proven before is kept, and the "
                    "same search without a scheduler continues from there."
                )
            else:
                before, searched = outcome.result
                if np.array_equal(before, limits):
                    self._division.forget(self._next)
                    self._next += 1
                    return outcome.item, searched
                self._begin(limits)

    def stop(self) -> None:
        """Give up what is under way."""
        self._division.stop()

    def _begin(self, limits: np.ndarray) -> None:
        """Search all rounds from the next one on with these limits."""
        self._begun_with = limits.copy()
        self._found.clear()
        self._division.changed(self._next, (self._inputs, self._begun_with))
