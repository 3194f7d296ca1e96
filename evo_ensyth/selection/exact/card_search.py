"""Enumeration on a graphics card: the passes over many sizes at once, of which almost all time is."""

import math
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.selection.exact.pairwise_margins import Best, PairwiseMargins, Searched, Subtree

# Threads that a card runs together.
LANES = 32
# Members whose subsets they visit: 2^n - 1, so that the margins which these can decide fill n + 1 digits.
LAST = 15
# Subsets of a launch, which nothing interrupts: a third of a second on a card that is filled.
SUBSETS_OF_A_LAUNCH = 2**29
MOST_SLOTS = 64  # words of counters for each thread; about 24 fit into its registers
WORD = 32


class Layout(NamedTuple):
    """Pairs of a pool as words of 32 samples, `LANES` of which form a row.

    Samples with many pairs come first. Slot d of a row holds the pair d of its samples, as far as they have one.

    Attributes
    ----------
    depths : tuple of int
        Slots of each row.
    truths : uint32, (n_members, n_rows, lanes)
    rivals : uint32, (n_members, n_slots, lanes)
    lowered : uint32, (n_slots, lanes)
        See `card_walk.walk_of`.
    """

    depths: tuple[int, ...]
    truths: np.ndarray
    rivals: np.ndarray
    lowered: np.ndarray


def layout_of(margins: PairwiseMargins, lanes: int = LANES) -> Layout:
    """Lay out the pairs of a pool of at most 64 members."""
    pairs = margins.pairs
    counts = np.diff(pairs.starts)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(counts), np.int64)
    place[order] = np.arange(len(counts))
    sample = np.repeat(np.arange(len(counts)), counts)
    depths = counts[order][:: WORD * lanes] if len(counts) else np.ones(1, np.int64)
    at = place[sample]
    row, lane, bit = at // (WORD * lanes), at // WORD % lanes, at % WORD
    slot = (np.cumsum(depths) - depths)[row] + np.arange(len(sample)) - pairs.starts[sample]

    def words(marked: np.ndarray, rows: np.ndarray, n_rows: int) -> np.ndarray:
        bits = np.zeros((n_rows, lanes, WORD), bool)
        bits[rows[marked], lane[marked], bit[marked]] = True
        return np.packbits(bits, axis=-1, bitorder="little").view(np.uint32)[..., 0]

    votes = [
        (pairs.truths[:, 0] >> np.uint64(i) & np.uint64(1), pairs.rivals[:, 0] >> np.uint64(i) & np.uint64(1))
        for i in range(margins.n_members)
    ]
    return Layout(
        tuple(depths.tolist()),
        np.stack([words(truth.astype(bool), row, len(depths)) for truth, _ in votes]),
        np.stack([words(rival.astype(bool), slot, int(depths.sum())) for _, rival in votes]),
        words(pairs.margins < 0, slot, int(depths.sum())),
    )


class CardSearch:
    """Search of parts of a proof: those of passes over many sizes on the card, the others by `PairwiseMargins`.

    Parameters
    ----------
    margins : PairwiseMargins
    last, lanes : int
        Members whose subsets a block of threads walks, and its threads; see `card_walk`.

    Raises
    ------
    InputError
        There is no card, or the kernel does not take such a pool.
    """

    def __init__(self, margins: PairwiseMargins, last: int, lanes: int) -> None:
        check_card()
        from evo_ensyth.selection.exact.card_walk import walk_of

        n_members = margins.n_members
        most = 63 - (int(margins.n_samples) + 1).bit_length()  # errors and a mask share a word
        if n_members > most:
            raise InputError(
                f"device 'cuda' takes up to {most} members with {margins.n_samples:,} samples; this pool has "
                f"{n_members}. Use device 'cpu'."
            )
        layout = layout_of(margins, lanes)
        if sum(layout.depths) > MOST_SLOTS:
            raise InputError(
                f"device 'cuda' takes about {MOST_SLOTS * WORD * lanes:,} pairs of a true class and a rival; this pool "
                f"has {len(margins.pairs.margins):,}. Use device 'cpu'."
            )
        self._margins, self._last = margins, last
        self._walk = walk_of(layout.depths, n_members, last, lanes)
        self._votes = tuple(map(_on_card, layout[1:]))
        self._lock = Lock()
        nothing = range(n_members + 1, n_members + 2)
        self._launch(0, n_members - last, nothing, np.zeros(n_members + 1, np.int64))  # compile

    @classmethod
    def of(cls, margins: PairwiseMargins, passes: Sequence[range], executor: object) -> "CardSearch":
        """Search for a proof in these passes, unless it has none for a card, or is divided among other machines."""
        if executor is not None:
            raise InputError("a proof on device 'cuda' is not divided; leave out either the device or the scheduler.")
        if len(passes[-1]) == 1:
            raise InputError(
                f"device 'cuda' enumerates all sizes of 16 to about 44 members; for the sizes up to {passes[-1][0]} of "
                f"{margins.n_members} members, use device 'cpu'."
            )
        return cls(margins, LAST, LANES)

    def subtrees(self, sizes: range, most: int) -> Iterator[Subtree]:
        """Split the subsets of some sizes into parts, as `PairwiseMargins.subtrees`."""
        return self._margins.subtrees(sizes, most if len(sizes) == 1 else max(most, SUBSETS_OF_A_LAUNCH))

    def search(self, subtree: Subtree, sizes: range, limits: np.ndarray, halted: np.ndarray | None = None) -> Searched:
        """Search all subsets of some sizes in a part, as `PairwiseMargins.search`.

        Of subsets with equally few errors it finds the one whose mask of members, the best first, is the lowest number.
        """
        if len(sizes) == 1:
            return self._margins.search(subtree, sizes, limits, halted)
        n_members, settled = self._margins.n_members, self._margins.settled
        with self._lock:
            best, walked = self._launch(subtree.mask, subtree.first, sizes, np.maximum(limits - settled, 0))
        better, fewest = [], self._margins.n_samples + 1
        for size in sizes:
            errors, mask = int(best[size]) >> n_members, int(best[size]) & (1 << n_members) - 1
            if settled + errors < min(limits[size], fewest):
                fewest = settled + errors
                subset = np.zeros(n_members, bool)
                subset[self._margins.order[[i for i in range(n_members) if mask >> i & 1]]] = True
                better.append(Best(fewest, subset))
        return Searched(better, walked << self._last, self._covered(subtree, sizes))

    def _covered(self, subtree: Subtree, sizes: range) -> int:
        n = self._margins.n_members - subtree.first
        return sum(math.comb(n, size - subtree.size) for size in sizes if size >= subtree.size)

    def _launch(self, mask: int, first: int, sizes: range, limits: np.ndarray) -> tuple[np.ndarray, int]:
        """Walk all choices of the members from ``first`` on; return the best key by size, and how many were walked."""
        n_members = self._margins.n_members
        best, walked = _on_card(limits << n_members), _on_card(np.zeros(1, np.int64))
        n_blocks = 1 << (n_members - self._last - first)
        self._walk(n_blocks, *self._votes, mask, first, sizes[0], sizes[-1], _on_card(limits), best, walked)
        return best.copy_to_host(), int(walked.copy_to_host()[0])


def _on_card(array: np.ndarray) -> Any:
    from numba import cuda

    return cuda.to_device(array)


def check_card() -> None:
    """Check that there is a card, and what it takes to compute on it.

    Raises
    ------
    InputError
        There is not.
    """
    try:
        from numba import cuda

        there = cuda.is_available()
    except ImportError:
        there = False
    if not there:
        raise InputError(
            "device 'cuda' needs a card by NVIDIA, its driver, and: pip install 'evo-ensyth[cuda]'; without them, use "
            "device 'cpu'."
        )
