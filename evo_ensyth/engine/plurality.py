"""Plurality votes: the class with the most votes wins, and a second sum may break ties."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.kernels.predictions import fill_predictions
from evo_ensyth.engine.kernels.ties import count_settled_errors, fill_settled_predictions
from evo_ensyth.engine.shares import label_sums
from evo_ensyth.engine.threads import interleaved, threads
from evo_ensyth.pool import Votes

# Planes to count per thread for the thread to be worth starting.
THREAD_PLANES = 250_000


@dataclass(frozen=True)
class SecondSum:
    """What members add up for the classes of a tie.

    Attributes
    ----------
    label_weights : int64, (n_members,)
        What each member adds for the class it predicts.
    score_weights : int64, (n_members,)
        Factor for its shares.
    shares : unsigned integers, (n_contested, n_members, n_classes)
        Probabilities in fixed point, of the contested samples in the order of the planes; no rows if the second sum
        adds no probabilities.
    """

    label_weights: np.ndarray
    score_weights: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True)
class PluralityVotes:
    """Plurality votes on one split: a `Tally`.

    Without a second sum, ties go to the lowest class, and everything is counted on the bit planes. With one, the planes
    count who is ahead, and the few ties are settled sample by sample; neighbours are then counted one by one.

    Attributes
    ----------
    planes : BitPlanes
    y_pred : uint8 or uint16, (n_members, n_samples)
    y_true : same type, (n_samples,)
    n_classes : int
    second : SecondSum, optional
        Breaks ties.
    """

    planes: BitPlanes
    y_pred: np.ndarray
    y_true: np.ndarray
    n_classes: int
    second: SecondSum | None = None

    @classmethod
    def of(
        cls, votes: Votes, planes: BitPlanes, second: Callable[[np.ndarray], SecondSum] | None = None
    ) -> "PluralityVotes":
        """Prepare the votes of a split.

        Parameters
        ----------
        votes : Votes
        planes : BitPlanes
            Of these votes.
        second : function of samples, int64 (n_contested,), to SecondSum, optional
        """
        return cls(planes, votes.y_pred, votes.y_true, votes.n_classes, second(planes.order) if second else None)

    @property
    def n_members(self) -> int:
        """Number of members."""
        return self.planes.n_members

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.planes.n_samples

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors`."""
        if self.second is None:
            return self.planes.errors(subsets)
        return self._settled(np.zeros(len(self.planes.order), np.int64), 1, subsets)[:, 0]

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors_by`."""
        if self.second is None:
            return self.planes.errors_by(groups, n_groups, subsets)
        if n_groups == 1:
            return self.errors(subsets)[:, None]
        return self._settled(groups[self.planes.order].astype(np.int64), n_groups, subsets)

    def predictions(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.predictions`."""
        subsets = np.ascontiguousarray(subsets)
        predictions = np.empty((len(subsets), self.n_samples), self.y_pred.dtype)
        fill_predictions(self.y_pred, subsets, self.n_classes, predictions)
        if self.second is not None:
            fill_settled_predictions(subsets, *self._contested, self.planes.order, predictions)
        return predictions

    def sums(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.sums`. What breaks ties is left out."""
        return label_sums(self.y_pred[subset], self.n_classes)

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.smoothed_losses`. Ties do not matter: their margin is 0 whoever wins them."""
        return self.planes.smoothed_losses(subsets, around)

    def neighbour_errors(self, subset: np.ndarray, movers: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.neighbour_errors`."""
        if self.second is None:
            return self.planes.neighbour_errors(subset, movers)
        movers = np.arange(self.n_members) if movers is None else movers
        neighbours = np.repeat(subset[None], len(movers), axis=0)
        neighbours[np.arange(len(movers)), movers] ^= True
        errors = np.full(len(movers), self.n_samples)
        filled = neighbours.any(axis=1)
        errors[filled] = self.errors(neighbours[filled])
        return errors

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.swap_errors`."""
        if self.second is None:
            return self.planes.swap_errors(subset)
        leaving, joining = np.flatnonzero(subset), np.flatnonzero(~subset)
        swapped = np.tile(subset, (len(leaving), len(joining), 1))
        swapped[np.arange(len(leaving)), :, leaving] = False
        swapped[:, np.arange(len(joining)), joining] = True
        return self.errors(swapped.reshape(-1, self.n_members)).reshape(len(leaving), len(joining))

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """See `Tally.joined_errors`. Ties of multisets go to the lowest class."""
        return self.planes.joined_errors(multiset, movers)

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """See `Tally.multiset_errors`. Ties of multisets go to the lowest class."""
        return self.planes.multiset_errors(multisets)

    @cached_property
    def _contested(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Arguments of the kernels: labels and truth of the contested samples, and the second sum."""
        assert self.second is not None
        order, second = self.planes.order, self.second
        labels, truth = np.ascontiguousarray(self.y_pred[:, order].T), self.y_true[order].astype(np.int64)
        return (labels, truth), (second.label_weights, second.score_weights, second.shares, self.n_classes)

    def _settled(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        planes, arguments = self.planes, (*self._contested, groups, n_groups)
        laid_out = (planes.words, planes.leads, planes.first_slot, planes.closest, planes.lost, 0, len(planes.closest))
        work = int(np.count_nonzero(subsets)) * len(planes.leads)
        n_threads = min(len(subsets), threads(), 1 + work // THREAD_PLANES)
        found = interleaved(lambda part: count_settled_errors(*laid_out, part, *arguments), subsets, max(n_threads, 1))
        return np.asarray(found)
