"""Compiled search of the subsets of one size: how many members of each cluster they have, and at last which these are.

The margin of a pair, see `layout`, is known within a cluster up to which of its members are chosen. So each pair has a
highest margin that a choice can still give it. Splitting a cluster, and with it the number of its members, lowers
highest margins and never raises them. A sample with a highest margin below zero is lost whatever follows.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set
from evo_ensyth.engine.kernels.byte_lanes import BYTES, below_zero, load_bytes, store_bytes
from evo_ensyth.engine.kernels.compiler import compiled, leaf


@compiled
def best_in_part(start, highest, first_row, splits, n_in, ways, slots, counts, first, left, limit, counted, halted):
    """Find the subset of a part with the fewest errors below a limit; return its errors, or the limit.

    Afterwards ``counts`` holds the members of the best subset.

    start : int8, (width,)
        Highest margins with what is decided.
    highest : int8, (n_rows * width,)
        Row ``first_row[c] + n``: the highest margin that n members of cluster c can give each pair.
    splits : int64, (n_splits, 3)
        A cluster, and the two that it consists of. Those before ``first`` are decided.
    n_in, counts : int64, (n_clusters,)
        Members of each cluster, and how many of them are chosen, as far as that is decided.
    left : int
        Subsets of the part.
    ways : int64, (largest + 1, most + 1)
        ``ways[n, k]``: how often k can be chosen out of n.
    slots : int64, (n_slots + 1,)
        Where the pairs of each slot begin; slot d has the (d + 1)th pair of the first samples.
    counted : int64, (3,)
        Gets the number of subsets that were evaluated, of those evaluated or cut off, and of splits.
    halted : bool, (1,)
        Once it is set and something is covered, the search ends.
    """
    levels = np.empty((splits.shape[0] - first + 1) * start.size, np.int8)
    levels[: start.size] = start
    steps = np.zeros((4, splits.shape[0] + 1), np.int64)
    best = np.zeros(counts.size, np.int64)
    limit = walk(
        levels, start.size, highest, first_row, splits, n_in, ways, slots, counts, first, left, limit, counted,
        halted, steps, best,
    )  # fmt: skip
    counts[:] = best
    return limit


@leaf
def walk(
    levels, width, highest, first_row, splits, n_in, ways, slots, counts, first, left, limit, counted, halted, steps,
    best,
):  # fmt: skip
    """Decide one split after another, depth first; see `best_in_part`.

    For each depth, ``steps`` holds how many members the first half of the next split gets next, where the highest
    margins are in ``levels``, how many samples are lost, and how many subsets are left.
    """
    lost = lost_at_first(levels, slots)
    if lost >= limit or left == 1:
        counted[1] += left
        if lost < limit:
            counted[0] += 1
            limit = lost
            settle(counts, splits, n_in, first, best)
        return limit
    depth = first
    steps[0, depth] = fewest_in_half(counts, splits, n_in, depth)
    steps[1, depth], steps[2, depth], steps[3, depth] = 0, lost, left
    while depth >= first and not (halted[0] and counted[1]):
        cluster, one, other = splits[depth, 0], splits[depth, 1], splits[depth, 2]
        n, share = counts[cluster], steps[0, depth]
        most = min(n, n_in[one])
        if share > most:
            depth -= 1
            continue
        steps[0, depth] += 1
        counts[one], counts[other] = share, n - share
        left = steps[3, depth] // ways[n_in[cluster], n] * ways[n_in[one], share] * ways[n_in[other], n - share]
        place, lost = steps[1, depth], steps[2, depth]
        if left < steps[3, depth]:
            place = (depth + 1 - first) * width
            rows = first_row[cluster] + n, first_row[one] + share, first_row[other] + n - share
            lost = split_margins(
                levels, steps[1, depth], place, highest, rows[0] * width, rows[1] * width, rows[2] * width, slots, limit
            )
            counted[0] += left == 1
            counted[2] += 1
        if lost >= limit or left == 1:
            counted[1] += left
            if lost < limit:
                limit = lost
                settle(counts, splits, n_in, depth + 1, best)
            continue
        depth += 1
        steps[0, depth] = fewest_in_half(counts, splits, n_in, depth)
        steps[1, depth], steps[2, depth], steps[3, depth] = place, lost, left
    return limit


@leaf
def fewest_in_half(counts, splits, n_in, split):
    """Fewest members that the first half of a split may have."""
    return max(np.int64(0), counts[splits[split, 0]] - n_in[splits[split, 2]])


@leaf
def settle(counts, splits, n_in, first, best):
    """Write the members of the only subset that is left: 1 for each cluster of a chosen member."""
    for cluster in range(counts.size):
        best[cluster] = counts[cluster]
    for split in range(first, splits.shape[0]):
        best[splits[split, 1]] = fewest_in_half(best, splits, n_in, split)
        best[splits[split, 2]] = best[splits[split, 0]] - best[splits[split, 1]]


@leaf
def lost_at_first(margins, slots):
    """Count the samples with a margin below zero."""
    lost = np.int64(0)
    for at in range(0, slots[1], BYTES):
        beaten = np.uint64(0)
        for slot in range(slots.size - 1):
            if at < slots[slot + 1] - slots[slot]:
                beaten |= below_zero(load_bytes(margins, slots[slot] + at))
        lost += np.int64(bits_set(beaten))
    return lost


@leaf
def split_margins(levels, before, after, highest, cluster, one, other, slots, limit):
    """Put two halves instead of a cluster; count the samples that are lost then, up to about a limit.

    ``cluster``, ``one`` and ``other`` are where their rows of ``highest`` begin.
    """
    lost = np.int64(0)
    for at in range(0, slots[1], BYTES):
        beaten = np.uint64(0)
        for slot in range(slots.size - 1):
            if at < slots[slot + 1] - slots[slot]:
                i = slots[slot] + at
                margin = load_bytes(levels, before + i) - load_bytes(highest, cluster + i)
                margin = margin + load_bytes(highest, one + i) + load_bytes(highest, other + i)
                store_bytes(levels, after + i, margin)
                beaten |= below_zero(margin)
        lost += np.int64(bits_set(beaten))
        if lost >= limit:
            break
    return lost
