"""The best subset of a size by branch and bound over a tree of members: how many of each cluster, then which.

Members that are alike can stand for each other: it hardly matters which of them are chosen, only how many. So a bound
on the errors of all subsets with so many members of each cluster cuts most of them off together. Where members differ
as independent ones do, nearly every subset is looked at one by one, and `PairwiseMargins.search` is faster.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_ensyth.engine.kernels.byte_lanes import BYTES
from evo_ensyth.pool import Votes
from evo_ensyth.selection.exact.layout import Pairs
from evo_ensyth.selection.exact.member_tree import MemberTree
from evo_ensyth.selection.exact.pairwise_margins import Best, PairwiseMargins, Searched
from evo_ensyth.selection.exact.tree_walk import best_in_part

UNDECIDED = -1
# Margins of larger ensembles do not fit in 8 bits.
LARGEST_SIZE = 127
LARGEST_COUNT = 2**62
# Parts from which the number of splits is estimated, and the subsets in each.
SAMPLED_PARTS = 32
SAMPLED_SUBSETS = 2**14


@dataclass(frozen=True, eq=False)
class Part:
    """All subsets with so many members of some clusters.

    Attributes
    ----------
    counts : int64, (n_clusters,)
        Members that are chosen from each cluster, as far as that is decided; -1 otherwise.
    first : int
        The first split that is not decided.
    n_subsets : int
    """

    counts: np.ndarray
    first: int
    n_subsets: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Be sent as few bytes: a task has thousands of parts, each array of which would be a message of its own."""
        return _part, (self.counts.astype(np.int8).tobytes(), self.first, self.n_subsets)


def _part(counts: bytes, first: int, n_subsets: int) -> Part:
    return Part(np.frombuffer(counts, np.int8).astype(np.int64), first, n_subsets)


class TreeSearch:
    """Highest margins of the clusters of a pool.

    Parameters
    ----------
    votes : Votes
    margins : PairwiseMargins
        Of these votes.
    largest : int
        Size of the largest subsets to search, at most `LARGEST_SIZE`.

    Attributes
    ----------
    tree : MemberTree
        Of the members in the order of the margins.
    """

    def __init__(self, votes: Votes, margins: PairwiseMargins, largest: int) -> None:
        self.tree = MemberTree.of(votes.y_pred[margins.order])
        self.n_members = votes.n_members
        self._margins = margins
        self.largest = largest
        pairs = margins.pairs
        places, self._slots = _places(pairs)
        width = int(self._slots[-1])
        self._start = np.zeros(width, np.int8)
        self._start[places] = pairs.margins
        raising, lowering = (
            _of_members(words, self.n_members, places, width) for words in (pairs.truths, pairs.rivals)
        )
        rows_of = np.minimum(self.tree.sizes, self.largest) + 1
        self._first_row = np.concatenate([[0], np.cumsum(rows_of)])[:-1]
        self._highest = np.empty((rows_of.sum(), width), np.int8)
        for cluster, members in enumerate(_members(self.tree, self.n_members)):
            up, down = raising[members].sum(axis=0, dtype=np.int16), lowering[members].sum(axis=0, dtype=np.int16)
            chosen = np.arange(rows_of[cluster], dtype=np.int16)[:, None]
            rows = self._highest[self._first_row[cluster] :][: len(chosen)]
            rows[:] = np.minimum(chosen, up) - np.maximum(0, chosen - (len(members) - down))
        self._ways = np.zeros((self.n_members + 1, self.largest + 1), np.int64)
        for n in range(self.n_members + 1):
            self._ways[n] = [min(math.comb(n, k), LARGEST_COUNT) for k in range(self.largest + 1)]

    @staticmethod
    def bytes_of(margins: PairwiseMargins, largest: int) -> int:
        """About the bytes of the highest margins of a balanced tree, for subsets of at most ``largest`` members."""
        n_rows = 2 * margins.n_members * min(largest + 1, math.ceil(math.log2(margins.n_members + 1)) + 2)
        return n_rows * len(margins.pairs.margins)

    def subtrees(self, sizes: range, most: int) -> Iterator[Part]:
        """Divide the subsets of one size into parts of at most ``most``, to be searched one by one."""
        todo = [self._whole(sizes[0])]
        while todo:
            part = todo.pop()
            if part.n_subsets <= most:
                yield part
            else:
                todo.extend(self._halves(part))

    def splits_per_subset(self, size: int, limit: int) -> float:
        """Estimate how many splits a search of one size takes for each subset, from a fixed random sample of parts."""
        rng = np.random.default_rng(0)
        ratios = []
        for _ in range(SAMPLED_PARTS):
            part = self._whole(size)
            while part.n_subsets > SAMPLED_SUBSETS:
                parts = list(self._halves(part))
                share = np.array([float(each.n_subsets) for each in parts])
                part = parts[rng.choice(len(parts), p=share / share.sum())]
            counted = np.zeros(3, np.int64)
            self._search(part, limit, counted, np.zeros(1, np.bool_))
            ratios.append((counted[2] + 1) / part.n_subsets)
        return float(np.mean(ratios))

    def search(self, part: Part, sizes: range, limits: np.ndarray, halted: np.ndarray | None = None) -> Searched:
        """Search the subsets of a part, all of which have the same size; see `PairwiseMargins.search`."""
        counted = np.zeros(3, np.int64)
        limit = int(limits[sizes[0]])
        errors, subset = self._search(part, limit, counted, np.zeros(1, np.bool_) if halted is None else halted)
        better = [Best(errors, subset)] if errors < limit else []
        return Searched(better, judged=int(counted[0]), covered=int(counted[1]))

    def _search(self, part: Part, limit: int, counted: np.ndarray, halted: np.ndarray) -> tuple[int, np.ndarray]:
        """Errors and members of the best subset of a part, if it has fewer errors than the limit."""
        counts = part.counts.copy()
        still_open = np.setdiff1d(np.flatnonzero(counts >= 0), self.tree.splits[: part.first, 0])
        start = self._start + self._highest[self._first_row[still_open] + counts[still_open]].sum(axis=0, dtype=np.int8)
        settled = self._margins.settled
        errors = best_in_part(
            start, self._highest.ravel(), self._first_row, self.tree.splits, self.tree.sizes, self._ways, self._slots,
            counts, part.first, part.n_subsets, limit - settled, counted, halted,
        )  # fmt: skip
        subset = np.zeros(self.n_members, bool)
        subset[self._margins.order] = counts[: self.n_members] == 1
        return int(errors) + settled, subset

    def _whole(self, size: int) -> Part:
        counts = np.full(len(self.tree.sizes), UNDECIDED, np.int64)
        counts[-1] = size
        return Part(counts, 0, math.comb(self.n_members, size))

    def _halves(self, part: Part) -> Iterator[Part]:
        """Decide the next split in every way."""
        cluster, one, other = self.tree.splits[part.first]
        n = int(part.counts[cluster])
        whole, first, second = (int(self.tree.sizes[each]) for each in (cluster, one, other))
        for share in range(max(0, n - second), min(n, first) + 1):
            counts = part.counts.copy()
            counts[one], counts[other] = share, n - share
            ways = math.comb(first, share) * math.comb(second, n - share)
            yield Part(counts, part.first + 1, part.n_subsets // math.comb(whole, n) * ways)


def _places(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Place of each pair, and where slots begin: samples with many pairs first, among them the most doubtful ones."""
    n_pairs = np.diff(pairs.starts)
    n_slots = int(n_pairs.max(initial=0))
    votes = np.bitwise_count(pairs.truths).sum(axis=1, dtype=np.int64) - np.bitwise_count(pairs.rivals).sum(axis=1)
    doubtful = np.minimum.reduceat(votes, pairs.starts[:-1]) if len(n_pairs) else n_pairs
    order = np.lexsort((doubtful, -n_pairs))
    rank = np.argsort(order, kind="stable")
    with_more = [np.count_nonzero(n_pairs > slot) for slot in range(n_slots)]
    room = [-(-n // BYTES) * BYTES for n in with_more]
    slots = np.concatenate([[0], np.cumsum(room)]).astype(np.int64) if room else np.zeros(2, np.int64)
    samples = np.repeat(np.arange(len(n_pairs)), n_pairs)
    slot = np.arange(len(samples)) - pairs.starts[samples]
    return slots[slot] + rank[samples], slots


def _of_members(words: np.ndarray, n_members: int, places: np.ndarray, width: int) -> np.ndarray:
    """Bits of each member, by place: uint8, (n_members, width)."""
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :n_members]
    by_place = np.zeros((n_members, width), np.uint8)
    by_place[:, places] = bits.T
    return by_place


def _members(tree: MemberTree, n_members: int) -> list[list[int]]:
    """Members of each cluster."""
    members = [[cluster] for cluster in range(n_members)] + [[] for _ in range(n_members - 1)]
    for cluster, one, other in tree.splits[::-1]:
        members[cluster] = members[one] + members[other]
    return members
