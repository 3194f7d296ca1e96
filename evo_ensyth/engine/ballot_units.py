"""Ballots of one split, laid out so that those of 16 samples are added at once.

As in `BitPlanes`, slot 0 of a sample is its true class, and slots 1, 2, ... are the other classes that members give
anything to, the strongest first. Each 16 samples form a *unit*, contiguous in memory, with as many slots as the sample
that has most. Samples with a similar lead of the truth in the vote of the whole pool lie together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.fixed_point import FixedPoint
from evo_ensyth.engine.kernels.ballots import fill_ballots
from evo_ensyth.engine.kernels.lanes import LANES
from evo_ensyth.pool.memory import check_fits, zeros_on_a_line


@dataclass(frozen=True)
class BallotUnits:
    """Ballots, unit by unit.

    Attributes
    ----------
    ballots : uint16, (n_slots * n_members * 16,)
        Unit by unit, then member by member, then slot by slot.
    ties : int32, (n_slots * 16,)
        1 where the class of the slot wins a tie against the truth; in slot 0, where there is a sample: without any
        ballots, the truth does not win.
    classes : uint16, (n_slots * 16,)
        Class of each slot and sample.
    most : uint16, (n_slots * 16,)
        Largest ballot of any member for the slot.
    first_slot : int64, (n_units + 1,)
        Unit u has the slots from ``first_slot[u]`` to ``first_slot[u + 1] - 1``.
    order : int64, (n_samples,)
        Index of the sample at each position.
    n_members : int
    """

    ballots: np.ndarray
    ties: np.ndarray
    classes: np.ndarray
    most: np.ndarray
    first_slot: np.ndarray
    order: np.ndarray
    n_members: int

    @classmethod
    def of(cls, fixed: FixedPoint, prepared_bytes: int) -> "BallotUnits":
        """Lay out the ballots of a split, of which no more than so many bytes are prepared at once.

        Raises
        ------
        InputError
            The ballots would take more than a quarter of the memory.
        """
        votes = fixed.votes
        n_members, n_samples = votes.n_members, votes.n_samples
        n_units = -(-n_samples // LANES)
        most_slots = n_units * votes.n_classes
        check_fits(f"the ballots of the {votes.split} split", most_slots * n_members * LANES * 2)
        ballots = zeros_on_a_line(
            most_slots * n_members * LANES, np.uint16
        )  # slots that are never filled take no memory
        classes, most = np.zeros((2, most_slots, LANES), np.uint16)
        ties = np.zeros((most_slots, LANES), np.int32)
        first_slot, order = np.zeros(n_units + 1, np.int64), np.empty(n_samples, np.int64)
        together = max(1, prepared_bytes // (2 * n_members * votes.n_classes * LANES)) * LANES
        for start in range(0, n_samples, together):
            samples = slice(start, min(start + together, n_samples))
            block, truth = fixed.ballots(samples), votes.y_true[samples].astype(np.int64)
            by_class, n_slots, lead = _slots(block, truth)
            by_lead = np.lexsort((lead, np.ceil(np.log2(n_slots))))
            by_class, truth = by_class[by_lead], truth[by_lead]
            order[samples] = start + by_lead
            unit, starts = start // LANES, np.arange(0, len(truth), LANES)
            n_slots = np.maximum.reduceat(n_slots[by_lead], starts)
            first_slot[unit + 1 : unit + 1 + len(n_slots)] = first_slot[unit] + np.cumsum(n_slots)
            largest = np.take_along_axis(block.max(axis=0)[by_lead], by_class.astype(np.int64), axis=1)
            fill_ballots(ballots, first_slot, unit, block, by_lead, by_class)
            for i, at in enumerate(starts.tolist()):
                here, right = by_class[at : at + LANES, : n_slots[i]].T, truth[at : at + LANES]
                rows = slice(first_slot[unit + i], first_slot[unit + i + 1])
                classes[rows, : len(right)] = here
                most[rows, : len(right)] = largest[at : at + LANES, : n_slots[i]].T
                ties[rows, : len(right)] = here < right
                ties[rows.start, : len(right)] = 1
        filled = int(first_slot[-1])
        laid_out = (ballots[: filled * n_members * LANES], ties[:filled].ravel(), classes[:filled].ravel())
        return cls(*laid_out, most[:filled].ravel(), first_slot, order, n_members)

    def __len__(self) -> int:
        """Number of units."""
        return len(self.first_slot) - 1

    def __iter__(self) -> Iterator[np.ndarray]:
        """Ballots of each unit: uint16, (n_members, n_slots * 16), those for the truth first."""
        for first, last in zip(self.first_slot[:-1], self.first_slot[1:], strict=True):
            numbers = self.ballots[first * self.n_members * LANES : last * self.n_members * LANES]
            yield numbers.reshape(self.n_members, -1)


def _slots(block: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of each sample's slots, (n_samples, n_classes); how many it needs; and the lead of the truth."""
    total = block.sum(axis=0, dtype=np.int64)
    samples = np.arange(len(truth))
    for_truth = total[samples, truth].copy()
    total[samples, truth] = 0
    lead = for_truth - total.max(axis=1)
    n_slots = 1 + np.count_nonzero(total, axis=1)
    total[samples, truth] = np.iinfo(np.int64).max
    return np.argsort(-total, axis=1, kind="stable").astype(np.uint16), n_slots, lead
