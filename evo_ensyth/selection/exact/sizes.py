"""Sizes of ensembles: how many there are of each, and which are enumerated together."""

import math
from collections.abc import Iterator

from evo_ensyth.errors import InputError
from evo_ensyth.selection.exact.pairwise_margins import LAST

# Sizes are done one by one up to one in this many of all subsets; then a single pass takes all larger sizes. Only such
# passes are for a card, which is so much faster that the others should be few.
ONE_BY_SIZE, ONE_BY_SIZE_BESIDE_A_CARD = 50, 5_000


def largest_size(max_size: int | None, n_members: int) -> int:
    """Largest size to search: ``max_size``, or by default the number of members.

    Raises
    ------
    InputError
        No ensemble has this size.
    """
    if max_size is not None and not 1 <= max_size <= n_members:
        raise InputError(f"max_size is {max_size}; with {n_members} members it lies between 1 and {n_members}.")
    return max_size or n_members


def passes(n_members: int, max_size: int, *, on_card: bool = False) -> Iterator[range]:
    """Yield the sizes that are proven together, in ascending order."""
    # Python integers throughout: 2,000 members have more subsets than a float can represent
    counts = [1]
    for size in range(1, max_size + 1):
        counts.append(counts[-1] * (n_members - size + 1) // size)
    everything, done = sum(counts[1:]), 0
    one_by_size = ONE_BY_SIZE_BESIDE_A_CARD if on_card else ONE_BY_SIZE
    for size in range(1, max_size + 1):
        late = one_by_size * (done + counts[size]) > everything
        if n_members > LAST and size < max_size and late:
            # A pass over several sizes considers all subsets of the last members, whatever their size.
            firsts = range(max(0, size - LAST), max_size + 1)
            looked_at = sum(math.comb(n_members - LAST, n) for n in firsts) * 2**LAST
            if looked_at < 2 * (everything - done):
                yield range(size, max_size + 1)
                return
        yield range(size, size + 1)
        done += counts[size]


def words_of(n_members: int) -> int:
    """Number of 64-bit words with a bit for each member; the cost of evaluating a subset grows with it."""
    return -(-n_members // 64)


def subsets_of(n_members: int, sizes: range) -> int:
    """Number of subsets with one of these sizes."""
    return sum(math.comb(n_members, size) for size in sizes)
