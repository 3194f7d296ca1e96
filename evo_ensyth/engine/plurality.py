"""Plurality votes: the class with the most votes wins, and a second sum may break ties."""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.kernels import moved_ties, ties
from evo_ensyth.engine.kernels.bits import UNIT
from evo_ensyth.engine.kernels.predictions import fill_predictions
from evo_ensyth.engine.kernels.second_sums import SecondSums
from evo_ensyth.engine.sample_blocks import sample_blocks
from evo_ensyth.engine.second_sums import SecondSum, laid_out
from evo_ensyth.engine.shares import label_sums
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import room

# Neighbours times members of a subset. Fewer are judged one by one, where label weights break ties: the planes settle
# the ties of few members, whereas tables leave nearly every sample close to one.
ONE_BY_ONE = 256


@dataclass(frozen=True)
class PluralityVotes:
    """Plurality votes on one split: a `Tally`.

    Without a second sum, ties go to the lowest class, and everything is counted on the bit planes. With one, the planes
    tell which samples are lost and which are tied, and the few ties are settled sample by sample.

    Attributes
    ----------
    planes : BitPlanes
    y_pred : uint8 or uint16, (n_members, n_samples)
    n_classes : int
    second : SecondSums, optional
        What breaks ties, laid out.
    """

    planes: BitPlanes
    y_pred: np.ndarray
    n_classes: int
    second: SecondSums | None = None

    @classmethod
    def of(cls, votes: Votes, planes: BitPlanes, second: SecondSum | None = None) -> "PluralityVotes":
        """Prepare the votes of a split.

        Parameters
        ----------
        votes : Votes
        planes : BitPlanes
            Of these votes.
        second : SecondSum, optional
            Breaks ties.

        Raises
        ------
        InputError
            What breaks ties is too large for the memory, and does not fit on the disk either.
        """
        arrays = None if second is None else laid_out(second, planes, votes.y_pred, votes.n_classes)
        return cls(planes, votes.y_pred, votes.n_classes, arrays)

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
        nobody = np.zeros(len(self.planes.order), np.int64)
        return self.planes.each(ties.settled_errors, subsets, self.second, nobody, 1)[:, 0]

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors_by`."""
        if self.second is None:
            return self.planes.errors_by(groups, n_groups, subsets)
        if n_groups == 1:
            return self.errors(subsets)[:, None]
        of_positions = groups[self.planes.order].astype(np.int64)
        return self.planes.each(ties.settled_errors, subsets, self.second, of_positions, n_groups)

    def predictions(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.predictions`."""
        subsets, planes = np.ascontiguousarray(subsets), self.planes
        predictions = room("predictions", (len(subsets), self.n_samples), self.y_pred.dtype)
        for block in sample_blocks(self.y_pred):
            fill_predictions(self.y_pred, subsets, self.n_classes, *block, predictions)
        if self.second is not None:
            laid_out_votes = (planes.first_slot, planes.order, self.second, self.n_classes)
            for units in planes.blocks():
                positions = units.start * UNIT, min(units.stop * UNIT, len(planes.order))
                ties.fill_settled_predictions(self.y_pred, subsets, *laid_out_votes, *positions, predictions)
        return predictions

    def sums(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.sums`. What breaks ties is left out."""
        return label_sums(self.y_pred[subset], self.n_classes)

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.smoothed_losses`. Ties do not matter: their margin is 0 whoever wins them."""
        return self.planes.smoothed_losses(subsets, around)

    def neighbour_errors(self, subset: np.ndarray, movers: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.neighbour_errors`."""
        movers = np.arange(self.n_members) if movers is None else movers
        if self.second is None:
            return self.planes.neighbour_errors(subset, movers)
        if self._one_by_one(subset, len(movers)):
            errors = np.full(len(movers), self.n_samples)
            neighbours = np.repeat(subset[None], len(movers), axis=0)
            neighbours[np.arange(len(movers)), movers] ^= True
            filled = neighbours.any(axis=1)
            errors[filled] = self.errors(neighbours[filled])
            return errors
        return self.planes.neighbour_errors(
            subset, movers, moved_ties.settled_neighbours, len(self.planes.order), self.second
        )

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.swap_errors`."""
        if self.second is None:
            return self.planes.swap_errors(subset)
        members, joiners = np.flatnonzero(subset), np.flatnonzero(~subset)
        if self._one_by_one(subset, len(joiners)):
            leaving, joining = (moved.ravel() for moved in np.meshgrid(members, joiners, indexing="ij"))
            swapped = np.repeat(subset[None], len(leaving), axis=0)
            swapped[np.arange(len(leaving)), leaving] = False
            swapped[np.arange(len(leaving)), joining] = True
            return self.errors(swapped).reshape(len(members), len(joiners))
        return self.planes.swap_errors(subset, moved_ties.settled_swaps, len(self.planes.order), self.second)

    def _one_by_one(self, subset: np.ndarray, n_neighbours: int) -> bool:
        """Whether neighbours are few enough, and of few members, to be judged one by one."""
        assert self.second is not None
        return not self.second.shares.size and int(np.count_nonzero(subset)) * n_neighbours <= ONE_BY_ONE

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """See `Tally.joined_errors`. Ties of multisets go to the lowest class."""
        return self.planes.joined_errors(multiset, movers)

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """See `Tally.multiset_errors`. Ties of multisets go to the lowest class."""
        return self.planes.multiset_errors(multisets)
