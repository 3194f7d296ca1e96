"""Second sums of the classes of one sample: what breaks a tie, see `evo_ensyth.engine.second_sums`.

Members are bits here, 64 to a *mask*, 16 to a *block*. What the members of a block add is added at once.
"""

from typing import NamedTuple

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set
from evo_ensyth.engine.kernels.compiler import compiled, inlined_leaf, leaf
from evo_ensyth.engine.kernels.lanes import LANES, load_ballots, load_sums, no_sums, total, where

ZERO, ONE, SIX = np.uint64(0), np.uint64(1), np.uint64(6)
PADDING = LANES - 1  # numbers after the last, which are read with it


class SecondSums(NamedTuple):
    """What the members of a pool add for the classes of each sample; a *row* is a slot and a place in its unit.

    Attributes
    ----------
    voters : uint64, (n_slots * 512, n_masks)
        Members that vote for the class of a row.
    blocks : uint16, (n_slots * 512, 4 * n_masks)
        The same.
    weights : int32, (n_members + 15,)
        Label weights, and zeros.
    ranked : int32, (n_members,)
        Label weights from the smallest.
    lightest : uint64, (n_members + 1, n_masks)
        The members with the k smallest label weights.
    shares : uint16, (n_slots * 512 * n_members + 15,)
        Shares by row and member, or none; then label weights count.
    """

    voters: np.ndarray
    blocks: np.ndarray
    weights: np.ndarray
    ranked: np.ndarray
    lightest: np.ndarray
    shares: np.ndarray


class Chosen(NamedTuple):
    """The members of subsets.

    Attributes
    ----------
    masks : uint64, (n_subsets, n_masks)
    blocks : uint16, (n_subsets, 4 * n_masks)
    listed : int32, (n_subsets, 4 * n_masks)
        The blocks of each subset that have any members come first.
    n_listed : int64, (n_subsets,)
        How many these are.
    """

    masks: np.ndarray
    blocks: np.ndarray
    listed: np.ndarray
    n_listed: np.ndarray


@compiled
def chosen_of(subsets, n_masks):
    """Lay out the members of subsets, bool (n_subsets, n_members)."""
    n_subsets, n_members = subsets.shape
    masks, blocks = np.zeros((n_subsets, n_masks), np.uint64), np.zeros((n_subsets, 4 * n_masks), np.uint16)
    listed, n_listed = np.empty(blocks.shape, np.int32), np.zeros(n_subsets, np.int64)
    for i in range(n_subsets):
        for member in range(n_members):
            masks[i, member >> 6] |= np.uint64(subsets[i, member]) << np.uint64(member & 63)
        for block in range(4 * n_masks):
            blocks[i, block] = np.uint16(masks[i, block >> 2] >> np.uint64(LANES * (block & 3)))
            listed[i, n_listed[i]] = block
            n_listed[i] += blocks[i, block] != 0
    return Chosen(masks, blocks, listed, n_listed)


@inlined_leaf
def count_voters(voters, row, masks):
    """Count the chosen members that vote for the class of a row."""
    n = np.int64(0)
    for mask in range(np.uint64(masks.size)):
        n += np.int64(bits_set(voters[row, mask] & masks[mask]))
    return n


@inlined_leaf
def label_lead(second, row, rival, blocks, listed):
    """Label weights of the chosen members that vote for the class of a row, less those of a rival's row."""
    added = no_sums()
    for i in range(listed.size):
        block = np.uint64(listed[i])
        bits, weights = blocks[block], load_sums(second.weights, np.int64(block) * LANES)
        added = added + where(second.blocks[row, block] & bits, weights)
        added = added - where(second.blocks[rival, block] & bits, weights)
    return total(added)


@inlined_leaf
def share_lead(second, row, rival, blocks, listed):
    """Shares that the chosen members give to the class of a row, less those that they give to that of a rival's row."""
    added = no_sums()
    ours, theirs = np.int64(row) * second.ranked.size, np.int64(rival) * second.ranked.size
    for i in range(listed.size):
        block = np.uint64(listed[i])
        begin = np.int64(block) * LANES
        more = load_ballots(second.shares, ours + begin) - load_ballots(second.shares, theirs + begin)
        added = added + where(blocks[block], more)
    return total(added)


@inlined_leaf
def blocks_in(chosen, subset):
    """Blocks of a subset, and which of them have any members: the last arguments of `lead`."""
    return chosen.blocks[subset], chosen.listed[subset, : chosen.n_listed[subset]]


@inlined_leaf
def lead(second, row, rival, blocks, listed):
    """Second sum of the chosen members for the class of a row, less that for a rival's row.

    Rows are unsigned: numba would look whether a signed index is negative.
    """
    if second.shares.size:
        return share_lead(second, row, rival, blocks, listed)
    return label_lead(second, row, rival, blocks, listed)


@leaf
def n_below(ranked, weight):
    """Count the members whose label weight is smaller."""
    first, last = 0, ranked.size
    while first < last:
        middle = (first + last) >> 1
        if ranked[middle] < weight:
            first = middle + 1
        else:
            last = middle
    return first
