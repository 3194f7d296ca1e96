"""The votes of one split, laid out so that 64 samples are counted at once.

A *plane* is a row of bits: does member i give sample s the label of slot d? Slot 0 is the true class, slots 1, 2, ...
are the rivals that the pool names for this very sample, so the cost does not grow with the number of classes. Samples
whose outcome is the same for every ensemble are counted once, here, and have no planes. The others are sorted by their
number of rivals, so that slot d is needed only for a prefix of them, and cut into blocks that fit the processor's
cache.
"""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from evo_ensyth.pool import Votes
from evo_ensyth.voting import kernels

# Words of one member in one block: the counters of a block stay in the first-level cache, and loops stay long.
BLOCK_WORDS = 384
# Words to count before a second thread pays for its start.
THREAD_WORDS = 2_000_000


@dataclass(frozen=True)
class Planes:
    """Bit planes of a pool on one split.

    Attributes
    ----------
    words : uint64, flat
        Per block (n_members + 2) rows: one a member, an empty one, and one that marks where a rival wins a tie.
    block_start, block_rows : int64, (n_blocks + 1,), (n_blocks,)
        Where a block begins in `words`, and how many words each of its rows has.
    slot_first, slot_start : int64
        Block b owns `slot_start[slot_first[b] : slot_first[b + 1]]`: where in a row each slot begins, and the end.
    settled : int
        Samples that every ensemble gets wrong.
    n_samples : int
    """

    words: np.ndarray
    block_start: np.ndarray
    block_rows: np.ndarray
    slot_first: np.ndarray
    slot_start: np.ndarray
    settled: int
    n_samples: int

    @classmethod
    def of(cls, votes: Votes) -> "Planes":
        """Lay out the votes of a split."""
        rivals, named = kernels.count_rivals(votes.labels, votes.truth, votes.n_classes)
        live = np.flatnonzero(named & (rivals > 0))
        order = live[np.argsort(-rivals[live], kind="stable")]
        slots = rivals[order[::64]] + 1  # of each word of 64 samples: those of its first sample, the most
        first_word = _blocks(slots)
        block_rows, slot_first, slot_start = _slots(slots, first_word)
        block_start = np.concatenate([[0], np.cumsum(block_rows * (votes.n_members + 2))])
        words = np.zeros(block_start[-1], np.uint64)
        layout = (block_start, block_rows, first_word, slot_first, slot_start)
        kernels.fill_planes(words, *layout, order, votes.labels, votes.truth, votes.n_classes)
        settled = int(np.count_nonzero(~named))
        return cls(words, block_start, block_rows, slot_first, slot_start, settled, votes.n_samples)

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """Samples that each subset gets wrong.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.

        Returns
        -------
        int64, (n_subsets,)
            The same for every number of threads.
        """
        subsets = np.ascontiguousarray(subsets)
        work = int(np.count_nonzero(subsets)) * int(self.block_rows.sum())
        n_threads = min(threads(), len(subsets), 1 + work // THREAD_WORDS)
        if n_threads == 1:
            return self._count(subsets)
        with ThreadPoolExecutor(n_threads) as pool:
            # Interleaved, so that every thread gets small and large subsets alike.
            parts = list(pool.map(self._count, [subsets[i::n_threads] for i in range(n_threads)]))
        errors = np.empty(len(subsets), np.int64)
        for i, part in enumerate(parts):
            errors[i::n_threads] = part
        return errors

    def neighbour_errors(self, subset: np.ndarray) -> np.ndarray:
        """Samples that go wrong when a member joins or leaves a subset, for little more than one evaluation.

        Parameters
        ----------
        subset : bool, (n_members,)

        Returns
        -------
        int64, (n_members,)
            Entry i belongs to the subset with member i flipped; all samples where that leaves nobody.
        """
        layout = (self.words, self.block_start, self.block_rows, self.slot_first, self.slot_start)
        errors: np.ndarray = kernels.neighbour_errors(*layout, np.ascontiguousarray(subset)) + self.settled
        if np.count_nonzero(subset) == 1:
            errors[subset] = self.n_samples
        return errors

    def _count(self, subsets: np.ndarray) -> np.ndarray:
        layout = (self.words, self.block_start, self.block_rows, self.slot_first, self.slot_start)
        errors: np.ndarray = kernels.count_errors(*layout, np.ascontiguousarray(subsets)) + self.settled
        return errors


def threads() -> int:
    """How many threads count votes: as many as this process may use, or ``NUMBA_NUM_THREADS`` if that is fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(numba.config.NUMBA_NUM_THREADS)))


def _blocks(slots: np.ndarray) -> np.ndarray:
    """Cut words, each with so many slots, into blocks of about `BLOCK_WORDS`: first word of each, and the end."""
    ends = np.cumsum(slots)
    cuts = np.flatnonzero(np.diff(ends // BLOCK_WORDS)) + 1
    return np.unique(np.concatenate([[0], cuts, [len(slots)]])).astype(np.int64)


def _slots(slots: np.ndarray, first_word: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Length of the rows of each block, and where in them each slot begins."""
    rows, firsts, starts = [], [0], []
    for begin, end in itertools.pairwise(first_word.tolist()):
        # Slot d has the words of the block that have more than d slots; they come first.
        lengths = [int(np.count_nonzero(slots[begin:end] > d)) for d in range(slots[begin])]
        begins = np.concatenate([[0], np.cumsum(lengths)])
        rows.append(-(-int(begins[-1]) // 8) * 8)  # whole vectors of 512 bits
        starts.append(begins)
        firsts.append(firsts[-1] + len(begins))
    flat = np.concatenate(starts) if starts else np.zeros(0)
    return np.array(rows, np.int64), np.array(firsts, np.int64), flat.astype(np.int64)
