"""A batch of subsets of one pool, as objectives see them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.diversity import Diversity
from evo_ensyth.engine.shares import shares_of
from evo_ensyth.engine.tally import Tally
from evo_ensyth.plugins import unknown
from evo_ensyth.pool import Members, Votes


@dataclass(frozen=True)
class Ensembles:
    """Subsets of a pool, evaluated as voting ensembles. Votes and costs are computed on first use, once per batch.

    Attributes
    ----------
    subsets : bool, (n_ensembles, n_members)
        Row i marks the members of ensemble i; none is empty.
    pool : Members
    votes : Votes
        The split on which the ensembles are evaluated.
    around : bool, (n_members,), optional
        A subset from which each ensemble differs by one member. Smoothed losses of the whole batch then cost little
        more than those of one ensemble.
    counted_by : Tally, optional
        Counts the votes by the vote rule of the problem; by default plurality votes with ties to the lowest class.
    """

    subsets: np.ndarray
    pool: Members
    votes: Votes
    around: np.ndarray | None = None
    counted_by: Tally | None = None

    def __len__(self) -> int:
        """Number of ensembles."""
        return len(self.subsets)

    @property
    def tally(self) -> Tally:
        """Counts the votes of the ensembles by the vote rule of the problem."""
        return self.counted_by or views.plurality_votes(self.votes)

    @property
    def bit_planes(self) -> BitPlanes:
        """Labels of all members, laid out for counting."""
        return views.bit_planes(self.votes)

    @property
    def ballots(self) -> Ballots:
        """Ballots of all members: those of the problem's vote if it adds scores, else the scores as they are.

        Raises
        ------
        InputError
            The pool has no scores for this split.
        """
        if isinstance(self.counted_by, Ballots) and self.counted_by.adds_scores:
            return self.counted_by
        return views.ballots(self.votes)

    @property
    def diversity(self) -> Diversity:
        """Measures of how differently members err and predict."""
        return views.diversity(self.votes)

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64, (n_ensembles,): number of members."""
        return np.asarray(np.count_nonzero(self.subsets, axis=1))

    @cached_property
    def errors(self) -> np.ndarray:
        """int64, (n_ensembles,): number of samples on which the vote is wrong."""
        return self.tally.errors(self.subsets)

    @cached_property
    def margin_counts(self) -> np.ndarray:
        """int64, (n_ensembles, 2 * n_members + 1): how often each margin occurs; see `BitPlanes.margin_counts`."""
        return self.bit_planes.margin_counts(self.subsets)

    @cached_property
    def smoothed_losses(self) -> np.ndarray:
        """int64, (n_ensembles,): sum of the smoothed losses of all samples' margins; see `Tally.smoothed_losses`."""
        return self.tally.smoothed_losses(self.subsets, self.around)

    def errors_by(self, groups: np.ndarray, n_groups: int) -> np.ndarray:
        """Count the samples of each group that the vote gets wrong.

        Parameters
        ----------
        groups : int64, (n_samples,)
            The group of each sample, below ``n_groups``.
        n_groups : int

        Returns
        -------
        int64, (n_ensembles, n_groups)
        """
        return self.tally.errors_by(groups, n_groups, self.subsets)

    @cached_property
    def errors_by_class(self) -> np.ndarray:
        """int64, (n_ensembles, n_classes): number of samples of each true class that the vote gets wrong."""
        return self.errors_by(self.votes.y_true.astype(np.int64), self.votes.n_classes)

    @property
    def error_rate(self) -> np.ndarray:
        """float64, (n_ensembles,): share of samples on which the vote is wrong."""
        return self.errors / self.votes.n_samples

    @cached_property
    def unanswered(self) -> np.ndarray:
        """int64, (n_ensembles,): number of samples that none of the members answers; they count as errors."""
        return views.holes(self.votes).unanswered(self.subsets)

    @cached_property
    def predictions(self) -> np.ndarray:
        """(n_ensembles, n_samples), type of the labels: what the vote predicts for each sample.

        ``n_classes`` where no member has an answer.
        """
        return self.tally.predictions(self.subsets)

    def shares(self, row: int) -> np.ndarray:
        """Share of each class in the vote of one ensemble: float64, (n_samples, n_classes).

        Classes have equal shares where no member has an answer.
        """
        return shares_of(self.tally.sums(self.subsets[row]))

    def total(self, cost: str) -> np.ndarray:
        """Sum of a cost over the members, counting shared parts once; exact where costs are decimal fractions.

        Parameters
        ----------
        cost : str
            Name of a cost of the pool.

        Returns
        -------
        int64 or float64, (n_ensembles,)

        Raises
        ------
        InputError
            The pool has no such cost.
        """
        own, shared, scale = self._cost(cost), self.pool.shared_costs(cost), self.pool.decimal_scale(cost)
        if scale > 1:  # Tenths add up exactly as whole numbers: three times 0.1 is 0.3.
            own, shared = np.rint(own * scale), np.rint(shared * scale)
        parts = [part for part in self.pool.shared if cost in part.costs]
        for part, value in zip(parts, shared, strict=True):
            own = own - part.members * value
        # Not subsets @ own: BLAS rounds a row differently from batch to batch.
        total = np.where(self.subsets, own, 0).sum(axis=1)
        for part, value in zip(parts, shared, strict=True):
            total = total + (self.subsets & part.members).any(axis=1) * value
        return np.asarray(total / scale if scale > 1 else total)

    def largest(self, cost: str) -> np.ndarray:
        """Largest cost among the members, such as the latency of members that run in parallel.

        Returns
        -------
        int64 or float64, (n_ensembles,)

        Raises
        ------
        InputError
            The pool has no such cost.
        """
        own = self._cost(cost)
        return np.asarray(np.where(self.subsets, own, own.min()).max(axis=1))

    def _cost(self, cost: str) -> np.ndarray:
        if cost not in self.pool.costs:
            raise unknown("cost of this pool", cost, self.pool.costs)
        return self.pool.costs[cost]
