"""A batch of subsets of one pool, as objectives see them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo_ensyth.catalogue import unknown
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.voting import kernels
from evo_ensyth.voting.planes import Planes


@dataclass(frozen=True)
class Ensembles:
    """Subsets, each voting together. Votes and costs are worked out when first asked for, once per batch.

    Attributes
    ----------
    subsets : bool, (n_ensembles, n_members)
        Row i marks the members of ensemble i; none is empty.
    pool : Pool
    votes : Votes
        The split on which the ensembles are judged.
    planes : Planes
        The same votes, laid out for counting.
    """

    subsets: np.ndarray
    pool: Pool
    votes: Votes
    planes: Planes

    def __len__(self) -> int:
        """Number of ensembles."""
        return len(self.subsets)

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64, (n_ensembles,): number of members."""
        return np.asarray(np.count_nonzero(self.subsets, axis=1))

    @cached_property
    def errors(self) -> np.ndarray:
        """int64, (n_ensembles,): samples on which the plurality vote is wrong."""
        return self.planes.errors(self.subsets)

    @cached_property
    def margin_counts(self) -> np.ndarray:
        """int64, (n_ensembles, 2 * n_members + 1): how often each margin occurs; see `Planes.margin_counts`."""
        return self.planes.margin_counts(self.subsets)

    @property
    def error_rate(self) -> np.ndarray:
        """float64, (n_ensembles,): share of samples on which the plurality vote is wrong."""
        return self.errors / self.votes.n_samples

    @cached_property
    def winners(self) -> np.ndarray:
        """(n_ensembles, n_samples), type of the labels: what each ensemble answers, ties to the lowest class."""
        answers = np.empty((len(self), self.votes.n_samples), self.votes.labels.dtype)
        kernels.winners(self.votes.labels, self.subsets, self.votes.n_classes, answers)
        return answers

    def total(self, cost: str) -> np.ndarray:
        """Sum of a cost over the members, with what members share counted once.

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
        own = self._cost(cost)
        parts = [part for part in self.pool.shared if cost in part.costs]
        for part in parts:
            own = own - part.members * part.costs[cost]
        # Not subsets @ own: BLAS rounds a row differently from batch to batch.
        total = np.where(self.subsets, own, 0).sum(axis=1)
        for part in parts:
            total = total + (self.subsets & part.members).any(axis=1) * part.costs[cost]
        return np.asarray(total)

    def largest(self, cost: str) -> np.ndarray:
        """Largest cost among the members: the slowest, when they run side by side.

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
