"""The best subset of a size, with proof: every subset is evaluated, or excluded by a bound.

`BitPlanes` counts the errors of given subsets; this finds the fewest errors of any subset of a size. To be fast, it
evaluates neighbouring subsets together. As members are included or excluded one by one, most samples are decided long
before the last choice. The others depend only on whether a handful of margins stay at zero or above.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evo_ensyth.engine.sample_blocks import rivals_of
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import check_fits
from evo_ensyth.selection.exact.branch_and_bound import best_subsets
from evo_ensyth.selection.exact.hamming_walk import CUBE
from evo_ensyth.selection.exact.layout import Pairs, fill_pairs

# Number of subsets that share a set of decided samples, and that share a layout of bit planes; per word of 64 members.
BRANCH = 1_048_576
TWIG = 32_768
# Members whose subsets a search of several sizes enumerates at the end; the pool must have at least this many.
LAST = CUBE


@dataclass(frozen=True)
class Subtree:
    """All subsets that agree on the first members.

    Attributes
    ----------
    mask : int
        Bit i is set if the subsets contain the i-th best member.
    size : int
        Number of bits set.
    first : int
        The first free member; all after it are free, too.
    """

    mask: int
    size: int
    first: int


@dataclass(frozen=True)
class Best:
    """The best subset found below a limit.

    Attributes
    ----------
    errors : int
    subset : bool, (n_members,)
    """

    errors: int
    subset: np.ndarray


@dataclass(frozen=True)
class Searched:
    """Result of a search.

    Attributes
    ----------
    better : list of Best
        The best subset of each size that has fewer errors than the limit of its size and than all smaller ones found.
    judged : int
        Number of subsets whose errors were counted; the others were cut off by a bound.
    covered : int
        Number of subsets judged or cut off: all of them, unless the search was halted.
    """

    better: list[Best]
    judged: int
    covered: int


class PairwiseMargins:
    """Pairwise margins of a pool on one split: the true class of each sample against each rival class.

    Parameters
    ----------
    votes : Votes

    Attributes
    ----------
    n_members, n_samples : int
    settled : int
        Number of samples that every ensemble gets wrong.
    pairs : Pairs
    order : int64, (n_members,)
        Bit i of a pair is that of member ``order[i]``: the best members first.

    Raises
    ------
    InputError
        The margins would take more than a quarter of the memory.
    """

    @staticmethod
    def bytes_of(votes: Votes) -> int:
        """Size in bytes of the pairwise margins of a split."""
        for_truth, _, n_rivals = rivals_of(votes)
        return int(n_rivals[for_truth > 0].sum()) * -(-votes.n_members // 64) * 16

    def __init__(self, votes: Votes) -> None:
        for_truth, _, n_rivals = rivals_of(votes)
        live = np.flatnonzero((for_truth > 0) & (n_rivals > 0))
        # The best members first: those left to choose at the end of a walk then mend few samples.
        self.order = np.argsort(votes.member_errors, kind="stable")
        self.n_members = votes.n_members
        self.n_samples = votes.n_samples
        self.settled = int(np.count_nonzero(for_truth == 0))
        starts = np.concatenate([[0], np.cumsum(n_rivals[live])]).astype(np.int64)
        shape = (int(starts[-1]), -(-self.n_members // 64))
        check_fits(f"the pairwise margins of the {votes.split} split", 16 * shape[0] * shape[1])
        self.pairs = Pairs(np.zeros(shape, np.uint64), np.zeros(shape, np.uint64), np.zeros(shape[0], np.int64), starts)
        self._most_pairs = int(n_rivals[live].max(initial=0))
        fill_pairs(votes.y_pred[self.order], votes.y_true, votes.n_classes, live, self.pairs)

    def subtrees(self, sizes: range, most: int) -> Iterator[Subtree]:
        """Split the subsets of some sizes into subtrees of at most ``most`` subsets, to be searched one by one."""
        todo = [Subtree(0, 0, 0)]
        while todo:
            subtree = todo.pop()
            n = self.n_members - subtree.first
            if subtree.size > sizes[-1] or subtree.size + n < sizes[0]:
                continue
            n_subsets = math.comb(n, sizes[0] - subtree.size) if len(sizes) == 1 else 2**n
            if n_subsets <= most or (len(sizes) > 1 and n == LAST):
                yield subtree
            else:
                todo.append(Subtree(subtree.mask, subtree.size, subtree.first + 1))
                todo.append(Subtree(subtree.mask | 1 << subtree.first, subtree.size + 1, subtree.first + 1))

    def search(self, subtree: Subtree, sizes: range, limits: np.ndarray, halted: np.ndarray | None = None) -> Searched:
        """Search all subsets of some sizes in a subtree.

        Parameters
        ----------
        subtree : Subtree
        sizes : range
            One size, or several if the pool has at least `LAST` members. Searching several is faster per subset, but
            considers all subsets of the last members, whatever their size.
        limits : int64, (n_members + 1,)
            Only subsets with fewer errors than the limit of their size are searched for. Must not rise with the size.
        halted : bool, (1,), optional
            The search ends soon after another thread sets it, but not before it has covered something.

        Returns
        -------
        Searched
        """
        counted = np.zeros(2, np.int64)
        halted = np.zeros(1, np.bool_) if halted is None else halted
        n_words = self.pairs.truths.shape[1]
        mask = np.array([subtree.mask >> 64 * word & 2**64 - 1 for word in range(n_words)], np.uint64)
        reached = np.full(self.n_members + 1, -1, np.int64)
        found = np.zeros((self.n_members + 1, n_words), np.uint64)
        best_subsets(
            self.pairs, mask, subtree.size, subtree.first, self.n_members, sizes[0], sizes[-1], limits - self.settled,
            reached, found,
            binomials(self.n_members, max(sizes[-1], LAST)), BRANCH * n_words, TWIG * n_words, self._most_pairs,
            counted, halted,
        )  # fmt: skip
        better = [size for size in sizes if reached[size] >= 0]
        return Searched(
            [Best(int(reached[size]) + self.settled, self._subset(found[size])) for size in better],
            judged=int(counted[0]),
            covered=int(counted[1]),
        )

    def _subset(self, words: np.ndarray) -> np.ndarray:
        places = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
        subset = np.zeros(self.n_members, bool)
        subset[self.order[places]] = True
        return subset

    def fewest_errors(self) -> np.ndarray:
        """Lower bound on the errors of all subsets of a size: int64, (n_members + 1,), by size.

        It counts the samples that every subset of the size gets wrong. This is cheap, but for all except the largest
        sizes far below the errors that subsets reach.
        """
        # With more than `most` members, too many of them vote for the rival for the truth to win.
        raising = np.bitwise_count(self.pairs.truths).sum(axis=1, dtype=np.int64)
        lowering = np.bitwise_count(self.pairs.rivals).sum(axis=1, dtype=np.int64)
        most = np.minimum(self.pairs.margins + raising + self.n_members - lowering, self.n_members)
        sizes = np.zeros(self.n_members + 2, np.int64)
        if len(most):
            sizes += np.bincount(np.minimum.reduceat(most, self.pairs.starts[:-1]) + 1, minlength=self.n_members + 2)
        lost = self.settled + np.cumsum(sizes[:-1])
        lost[0] = self.n_samples
        return np.asarray(lost)


@lru_cache(maxsize=4)
def binomials(n_members: int, most: int) -> np.ndarray:
    """float64, (n_members + 1, most + 1): number of ways to choose k out of n, infinity on overflow."""
    table = np.zeros((n_members + 1, most + 1))
    table[:, 0] = 1
    with np.errstate(over="ignore"):
        for n in range(1, n_members + 1):
            table[n, 1:] = table[n - 1, 1:] + table[n - 1, :-1]
    return table
