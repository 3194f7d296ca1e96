"""The votes of one split, laid out so that 512 samples are counted at once.

A *plane* is 512 bits: does member i give sample s the label of slot d? Slot 0 is the true class. Slots 1, 2, ... are
the rivals that members of the pool predict for that sample, the strongest first, so the cost does not grow with the
number of classes. Samples that all members get right have no planes.

The other samples are sorted by how contested they are, and each 512 of them form a *unit*, contiguous in memory. If the
whole pool gives the truth a lead of ten votes over a rival, an ensemble that leaves out fewer than ten members cannot
lose to that rival. A large ensemble therefore skips the rival's slot. It skips the whole unit if no slot is left or if
the truth is that far behind. Samples that no member gets right come last, in units that only margins ever read.

A member that does not answer a sample has no bit there, so only those who answer vote. See `kernels.layout` for the
samples that nobody answers, which are wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo_ensyth.engine.holes import Holes
from evo_ensyth.engine.kernels import counting, layout, margins, neighbours
from evo_ensyth.engine.kernels.bits import UNIT, WORDS
from evo_ensyth.engine.sample_blocks import Report, rivals_of, sorted_blocks
from evo_ensyth.engine.smoothing import by_value, smoothed, tables
from evo_ensyth.engine.threads import in_ranges, interleaved, threads
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import give_back, give_back_files, is_in_file, room_on_a_line

# Entries in the table of losses, margins by sizes, of the subsets that are evaluated together: 16 MB.
MOST_LOSSES = 2_000_000
# Planes in a file that are read before their memory is given back, in bytes.
READ_TOGETHER = 2**27
# Planes to count per thread for the thread to be worth starting.
THREAD_PLANES = 250_000


@dataclass(frozen=True)
class BitPlanes:
    """Bit planes of a pool on one split.

    Attributes
    ----------
    words : uint64, (n_slots * n_members * 8,)
        The planes one after another; those of a slot are contiguous, as are the slots of a unit.
    ties : uint64, (n_slots * 8,)
        For each slot, the samples on which its class wins a tie against the truth.
    leads : int64, (n_slots,)
        Smallest lead of the truth over this slot's class, in votes of the whole pool; increases within a unit.
    first_slot : int64, (n_units + 1,)
        Unit u has the slots from ``first_slot[u]`` to ``first_slot[u + 1] - 1``.
    closest : int64, (n_units,)
        Smallest difference in votes between the truth and the strongest rival, in either direction; more than the
        number of members where no member predicts the truth.
    lost : int64, (n_units,)
        Number of samples of the unit on which a rival leads, or that no member gets right.
    order : int64, (n_contested,)
        Index of the sample at each position of the planes. Samples that every member gets right are left out.
    holes : Holes
        The samples that members do not answer.
    n_members, n_samples : int
    """

    words: np.ndarray
    ties: np.ndarray
    leads: np.ndarray
    first_slot: np.ndarray
    closest: np.ndarray
    lost: np.ndarray
    order: np.ndarray
    holes: Holes
    n_members: int
    n_samples: int

    @classmethod
    def of(cls, votes: Votes, report: Report = lambda done, total: None) -> "BitPlanes":
        """Lay out the votes of a split.

        Parameters
        ----------
        votes : Votes
        report : function of (done, total), optional
            Called as samples are counted, and again as they are laid out.

        Raises
        ------
        InputError
            Planes that are too large for the memory do not fit on the disk either.
        """
        for_truth, for_rival, n_rivals = rivals_of(votes, report)
        lead = for_truth - for_rival
        distance = np.where(for_truth > 0, np.abs(lead), votes.n_members + 1)
        # A unit has as many slots as its most contested sample, so keep samples with many rivals apart to save memory.
        scale = np.searchsorted(4 ** np.arange(1, 8), n_rivals)  # up to 4, 16, 64, ... rivals
        key = ((for_truth == 0) * 8 + scale) * (votes.n_members + 2) + distance
        # Keys of 16 bits, as in all but huge pools, are sorted by their digits: much faster than by comparing.
        blocks = sorted_blocks(key.astype(np.min_scalar_type(key.max())), n_rivals > 0, votes.y_pred)
        order = np.concatenate(blocks)
        distance, n_rivals = distance[order], n_rivals[order]
        behind = (lead < 0) | (for_truth == 0)
        starts = np.arange(0, len(order), UNIT)
        n_slots = np.maximum.reduceat(n_rivals, starts) + 1 if len(order) else np.zeros(0, np.int64)
        first_slot = np.concatenate([[0], np.cumsum(n_slots, dtype=np.int64)])
        what = f"the bit planes of the {votes.split} split"
        planes = cls(
            words=room_on_a_line(what, int(first_slot[-1]) * votes.n_members * WORDS, np.uint64),
            ties=room_on_a_line(what, int(first_slot[-1]) * WORDS, np.uint64),
            leads=np.full(first_slot[-1], votes.n_members, np.int64),
            first_slot=first_slot,
            closest=np.minimum.reduceat(distance, starts).astype(np.int64) if len(order) else np.zeros(0, np.int64),
            lost=np.add.reduceat(behind[order], starts, dtype=np.int64) if len(order) else np.zeros(0, np.int64),
            order=order,
            holes=Holes.of(votes),
            n_members=votes.n_members,
            n_samples=votes.n_samples,
        )
        done = 0
        for block in blocks:
            laid_out = (planes.words, planes.ties, planes.leads, first_slot[done // UNIT :])
            layout.fill_planes(*laid_out, block, votes.y_pred, votes.y_true, votes.n_classes)
            give_back(planes.words)
            give_back(votes.y_pred)
            done += len(block)
            report(done, len(order))
        return planes

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors`."""
        return self.each(counting.count_errors, subsets)

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors_by`."""
        return self.each(counting.count_errors_by, subsets, groups[self.order], n_groups)

    def margin_counts(self, subsets: np.ndarray) -> np.ndarray:
        """Count how often each margin occurs: votes for the truth minus votes for its strongest rival.

        Where nobody answers, the margin is -1, as if there were one vote for a rival.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.

        Returns
        -------
        int64, (n_subsets, 2 * n_members + 1)
            Column ``n_members + d`` counts the samples with margin d. Rows add up to the number of samples.
        """
        sizes = np.count_nonzero(subsets, axis=1)
        counts = self._over_subsets(margins.count_margins, subsets)
        counts[:, self.n_members] -= self._n_unused
        counts[np.arange(len(subsets)), self.n_members + sizes] += self.n_samples - len(self.order)
        if self.holes:
            unanswered = self.holes.unanswered(subsets)
            counts[:, self.n_members] -= unanswered
            counts[:, self.n_members - 1] += unanswered
        return counts

    def margin_losses(self, subsets: np.ndarray, losses: Callable[[int], np.ndarray]) -> np.ndarray:
        """Sum of the losses of all samples' margins.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.
        losses : function of a size to int64, (2 * n_members + 1,)
            For ensembles of that size, entry ``n_members + d`` is the loss for margin d.

        Returns
        -------
        int64, (n_subsets,)
        """
        together = max(1, MOST_LOSSES // (4 * self.n_members))
        if len(subsets) > together:
            parts = (subsets[start : start + together] for start in range(0, len(subsets), together))
            return np.concatenate([self.margin_losses(part, losses) for part in parts])
        sizes = np.unique(np.count_nonzero(subsets, axis=1))
        table = np.stack([losses(size) for size in sizes.tolist()])
        row_of = np.zeros(self.n_members + 1, np.int64)
        row_of[sizes] = np.arange(len(sizes))
        return self._losses(subsets, table, by_value(table, sizes), self._other_losses(table, sizes), row_of)

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.smoothed_losses`."""

        def losses(size: int) -> np.ndarray:
            return smoothed(size, self.n_members)

        if around is not None:
            return self.neighbour_losses(around, (subsets ^ around).argmax(axis=1), losses)
        if 4 * self.n_members**2 > MOST_LOSSES:
            return self.margin_losses(subsets, losses)
        table, others = self.smoothed_tables
        return self._losses(subsets, table, self._smoothed_by_value, others, np.arange(self.n_members + 1))

    @cached_property
    def smoothed_tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Smoothed losses by size and margin, and their sums over samples without planes by size; see `tables`."""
        losses = tables(self.n_members)
        return losses, self._other_losses(losses, np.minimum(np.arange(self.n_members + 2), self.n_members))

    @cached_property
    def _smoothed_by_value(self) -> np.ndarray:
        return by_value(tables(self.n_members), np.arange(self.n_members + 2))

    def neighbour_losses(
        self, subset: np.ndarray, movers: np.ndarray, losses: Callable[[int], np.ndarray]
    ) -> np.ndarray:
        """Sum of the losses after a member joins or leaves a subset, at little more than the cost of one evaluation.

        Parameters
        ----------
        subset : bool, (n_members,)
        movers : int64, (n_movers,)
            The members to flip, one at a time. No flip may empty the subset.
        losses : function of a size to int64, (2 * n_members + 1,)
            As for `margin_losses`.

        Returns
        -------
        int64, (n_movers,)
            Entry i belongs to the subset with mover i flipped.
        """
        members, leaves = np.flatnonzero(subset), subset[movers]
        none = np.zeros(2 * self.n_members + 1, np.int64)
        joined, left = (
            losses(size) if 1 <= size <= self.n_members else none for size in (len(members) + 1, len(members) - 1)
        )
        laid_out = (self.words, self.first_slot)
        moved = (members * WORDS, movers * WORDS, leaves, self.n_members, joined, left)
        n_threads = self._threads(2 * (len(members) + len(movers)))
        sums = self._summed(lambda part: margins.neighbour_losses(*laid_out, *part, *moved), n_threads)
        table, row = np.stack([joined, left]), leaves.astype(np.int64)
        sizes = np.array([min(len(members) + 1, self.n_members), max(len(members) - 1, 0)])
        sums += self._other_losses(table, sizes)[row]
        if self.holes:
            sums += self._unanswered_losses(table, row, subset ^ np.eye(self.n_members, dtype=bool)[movers])
        return sums

    def neighbour_errors(
        self,
        subset: np.ndarray,
        movers: np.ndarray | None = None,
        kernel: Callable[..., np.ndarray] = neighbours.neighbour_errors,
        *rest: object,
    ) -> np.ndarray:
        """See `Tally.neighbour_errors`. Another kernel, with the rest of its arguments, may settle ties."""
        movers = np.arange(self.n_members) if movers is None else movers
        members = np.flatnonzero(subset)
        left_out = self.n_members - len(members) + 1
        leaves = subset[movers]
        errors = self._moved(kernel, members, left_out, movers, leaves, rest=rest)
        if len(members) == 1:
            errors[leaves] = self.n_samples
        return errors

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """See `Tally.joined_errors`."""
        # A lead in the whole pool says nothing about a multiset, so treat it as if all members could be left out.
        members = np.repeat(np.arange(self.n_members), multiset)
        return self._moved(neighbours.neighbour_errors, members, self.n_members, movers, np.zeros(len(movers), bool))

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """See `Tally.multiset_errors`."""
        errors = np.empty(len(multisets), np.int64)
        for i, multiset in enumerate(multisets):
            # `joined_errors` takes repeated members, so let the last vote join all the others.
            last = np.flatnonzero(multiset)[-1:]
            others = multiset.copy()
            others[last] -= 1
            errors[i] = self.joined_errors(others, last)[0]
        return errors

    def swap_errors(
        self, subset: np.ndarray, kernel: Callable[..., np.ndarray] = neighbours.swap_errors, *rest: object
    ) -> np.ndarray:
        """See `Tally.swap_errors`; ``kernel`` is as in `neighbour_errors`."""
        members, joiners = np.flatnonzero(subset), np.flatnonzero(~subset)
        left_out = self.n_members - len(members) + 1
        return self._moved(kernel, members, left_out, joiners, work=len(members) * self.n_members, rest=rest)

    @property
    def _n_units(self) -> int:
        return len(self.closest)

    @property
    def _n_unused(self) -> int:
        """Number of unused sample positions in the units. They have no votes, so their margin is 0."""
        return self._n_units * UNIT - len(self.order)

    def _losses(
        self, subsets: np.ndarray, table: np.ndarray, values: np.ndarray, others: np.ndarray, row_of: np.ndarray
    ) -> np.ndarray:
        """Sums of losses, given by margin and `by_value`; ``row_of`` a size is its row in these and in ``others``."""
        rows = row_of[np.count_nonzero(subsets, axis=1)]
        sums = self._over_subsets(margins.sum_losses, subsets, values, row_of)
        sums += others[rows]
        if self.holes:
            sums += self._unanswered_losses(table, rows, subsets)
        return sums

    def _other_losses(self, table: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Losses of samples that every member gets right, less those of unused positions, by row: int64, (n_rows,)."""
        right = (self.n_samples - len(self.order)) * table[np.arange(len(table)), self.n_members + sizes]
        return np.asarray(right - self._n_unused * table[:, self.n_members])

    def _unanswered_losses(self, table: np.ndarray, rows: np.ndarray, subsets: np.ndarray) -> np.ndarray:
        """What to add because a sample that nobody answers has margin -1, not 0: int64, (n_subsets,)."""
        more = table[:, self.n_members - 1] - table[:, self.n_members]
        return np.asarray(self.holes.unanswered(subsets) * more[rows])

    def blocks(self) -> Iterator[range]:
        """Ranges of units that are read together: all units, unless they lie in a file.

        The memory of a block in a file is given back before the next one.
        """
        n_units = max(1, READ_TOGETHER * self._n_units // self.words.nbytes if self._in_file else self._n_units)
        for start in range(0, max(1, self._n_units), n_units):
            yield range(start, min(start + n_units, self._n_units))
            if self._in_file:
                give_back_files()

    def votes_in(self, unit: int) -> np.ndarray:
        """Who votes for the slots of a unit: bool, (n_slots, n_members, n_samples), without unused positions."""
        first, last = (self.first_slot[unit : unit + 2] * self.n_members * WORDS).tolist()
        words = self.words[first:last].astype("<u8", copy=False).view(np.uint8)
        n_samples = min(UNIT, len(self.order) - unit * UNIT)
        votes = np.unpackbits(words.reshape(-1, self.n_members, UNIT // 8), axis=2, count=n_samples, bitorder="little")
        return votes.view(bool)

    def each(self, kernel: Callable[..., np.ndarray], subsets: np.ndarray, *arguments: object) -> np.ndarray:
        """Counts of a kernel for each subset. Threads share the subsets if they outnumber the units, else the units."""
        subsets = np.ascontiguousarray(subsets)
        n_threads = self._threads(int(np.count_nonzero(subsets)))
        if len(subsets) <= self._n_units:
            return self._over_units(kernel, n_threads, subsets, *arguments)
        return interleaved(lambda part: self._over_units(kernel, 1, part, *arguments), subsets, n_threads)

    def _threads(self, n_votes: int) -> int:
        work = n_votes * len(self.leads)
        return min(threads(), 1 + work // THREAD_PLANES)

    def _moved(
        self,
        kernel: Callable[..., np.ndarray],
        members: np.ndarray,
        left_out: int,
        movers: np.ndarray,
        *leaves: np.ndarray,
        work: int = 0,
        rest: tuple[object, ...] = (),
    ) -> np.ndarray:
        n_threads = self._threads(work or len(members) + len(movers))
        moved = (members * WORDS, left_out, movers * WORDS, *leaves, self.n_members)
        return self._over_units(kernel, n_threads, *moved, *rest)

    def _over_subsets(self, kernel: Callable[..., np.ndarray], subsets: np.ndarray, *arguments: object) -> np.ndarray:
        """Sum of a kernel's results for each subset over all units; threads share the subsets."""
        n_threads = min(len(subsets), self._threads(2 * int(np.count_nonzero(subsets))))
        laid_out = (self.words, self.first_slot)

        def over_units(part: np.ndarray) -> np.ndarray:
            return self._summed(lambda units: kernel(*laid_out, *units, part, *arguments), 1)

        return interleaved(over_units, subsets, n_threads)

    def _over_units(self, kernel: Callable[..., np.ndarray], n_threads: int, *arguments: object) -> np.ndarray:
        """Sum of a kernel's counts over all units; threads share the units."""
        laid_out = (self.words, self.ties, self.leads, self.first_slot, self.closest, self.lost)
        return self._summed(lambda part: kernel(*laid_out, *part, *arguments), n_threads)

    def _summed(self, work: Callable[[tuple[int, int]], np.ndarray], n_threads: int) -> np.ndarray:
        """Sum of the results of ``work`` over ranges of units (first, last), one range per thread."""
        if not self._in_file:
            return np.asarray(sum(in_ranges(work, self._n_units, n_threads)))
        return np.asarray(sum(part for units in self.blocks() for part in in_ranges(work, units, n_threads)))

    @cached_property
    def _in_file(self) -> bool:
        return is_in_file(self.words)
