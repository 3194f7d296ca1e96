"""Vote rules that are fitted to each ensemble, judged one ensemble at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.engine import Tally
from evo_ensyth.pool import Votes
from evo_ensyth.voting._ensemble_vote import fitted_to

if TYPE_CHECKING:
    from evo_ensyth.voting import VoteRule

FOLDS = 5


@dataclass(frozen=True)
class RefittedVotes:
    """Votes of ensembles on one split, each by what the rule learns for this ensemble: a `Tally`.

    On the search split each of five folds is judged by what was fitted to the other four; classes are spread evenly
    over the folds, without randomness. Multisets are judged as the sets of their members.

    Attributes
    ----------
    rule : VoteRule
    search : Votes
        The search split of the pool.
    votes : Votes
        The split on which votes are counted.
    """

    rule: "VoteRule"
    search: Votes
    votes: Votes

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.votes.n_members

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.votes.n_samples

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors`."""
        return self._sums(subsets, lambda tally, samples, all_in: tally.errors(all_in))

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors_by`."""
        return self._sums(subsets, lambda tally, samples, all_in: tally.errors_by(groups[samples], n_groups, all_in))

    def predictions(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.predictions`."""
        found = np.empty((len(subsets), self.n_samples), self.votes.y_pred.dtype)
        for row, subset in enumerate(subsets):
            for tally, samples in self._parts(subset):
                found[row, samples] = tally.predictions(np.ones((1, tally.n_members), bool))[0]
        return found

    def sums(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.sums`."""
        found = np.zeros((self.n_samples, self.votes.n_classes), np.int64)
        for tally, samples in self._parts(subset):
            found[samples] = tally.sums(np.ones(tally.n_members, bool))
        return found

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.smoothed_losses`."""
        return self._sums(subsets, lambda tally, samples, all_in: tally.smoothed_losses(all_in))

    def neighbour_errors(self, subset: np.ndarray, movers: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.neighbour_errors`."""
        movers = np.arange(self.n_members) if movers is None else movers
        neighbours = np.repeat(subset[None], len(movers), axis=0)
        neighbours[np.arange(len(movers)), movers] ^= True
        errors = np.full(len(movers), self.n_samples)
        filled = neighbours.any(axis=1)
        errors[filled] = self.errors(neighbours[filled])
        return errors

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.swap_errors`."""
        errors = []
        for leaving in np.flatnonzero(subset):
            for joining in np.flatnonzero(~subset):
                swapped = subset.copy()
                swapped[[leaving, joining]] = False, True
                errors.append(self.errors(swapped[None])[0])
        return np.array(errors, np.int64).reshape(np.count_nonzero(subset), -1)

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """See `Tally.joined_errors`."""
        joined = np.repeat((multiset > 0)[None], len(movers), axis=0)
        joined[np.arange(len(movers)), movers] = True
        return self.errors(joined)

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """See `Tally.multiset_errors`."""
        return self.errors(multisets > 0)

    def _sums(self, subsets: np.ndarray, count: Callable[[Tally, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Add up, for each subset, what ``count`` finds in the parts of the split."""
        rows = []
        for subset in subsets:
            parts = [
                count(tally, samples, np.ones((1, tally.n_members), bool))[0] for tally, samples in self._parts(subset)
            ]
            rows.append(np.sum(parts, axis=0))
        return np.array(rows, np.int64)

    def _parts(self, subset: np.ndarray) -> Iterator[tuple[Tally, np.ndarray]]:
        """Yield tallies of the subset's members on parts of the split, and the samples, int64, of each part."""
        members = np.flatnonzero(subset)
        if self.votes is not self.search:
            vote = fitted_to(self.rule, self.search.part(members))
            yield vote.tally(self.votes.part(members)), np.arange(self.n_samples)
            return
        fold = folds(self.votes, FOLDS)
        for i in range(FOLDS):
            inside = np.flatnonzero(fold == i)
            if len(inside):
                vote = fitted_to(self.rule, self.votes.part(members, np.flatnonzero(fold != i)))
                yield vote.tally(self.votes.part(members, inside)), inside


def folds(votes: Votes, n_folds: int) -> np.ndarray:
    """Fold of each sample, with every class spread evenly over them: int64, (n_samples,)."""
    fold = np.empty(votes.n_samples, np.int64)
    fold[np.argsort(votes.y_true, kind="stable")] = np.arange(votes.n_samples) % n_folds
    return fold
