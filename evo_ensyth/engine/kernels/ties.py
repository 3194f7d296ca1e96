"""Ties between the truth and its strongest rivals, broken by a second sum: they are few, so each is settled apart.

Everything else is counted on the bit planes. A *second* sum comes as a tuple of arrays, laid out by
`evo_ensyth.engine.second_sums`: the slot of each member's label by position, (n_positions, n_members); the label
weights and score weights of the members; and the shares of each member by slot and place, (n_slots * 512, n_members),
or no rows if the sum adds no shares.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, largest_step, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import (
    beats,
    count_votes,
    counter_bits,
    list_group,
    list_members,
    live_slots,
    room_for_group,
)

BIT = np.uint64(1)
OFFSET = np.uint64(3)  # bits: the offset of a plane is the number of its member times eight


@leaf
def lost_and_level(words, first, n_slots, n_members, members, size, truth, rival, level):
    """Samples on which some rival has more votes than the truth; ``level`` gets those on which each has as many.

    ``first`` is the first of the ``n_slots`` slots that count; ``truth`` and ``rival`` are working memory.
    """
    n_bits = counter_bits(size)
    count_votes(words, first * n_members * WORDS, members, size, truth, n_bits)
    lost = zero()
    for slot in range(1, n_slots):
        count_votes(words, (first + slot) * n_members * WORDS, members, size, rival, n_bits)
        behind, differs = zero(), zero()
        for bit in range(0, n_bits * WORDS, WORDS):
            ours, theirs = load(truth, bit), load(rival, bit)
            behind = beats(ours, theirs, behind)
            differs = differs | (ours ^ theirs)
        lost = lost | behind
        store(level, slot * WORDS, ~differs)
    return lost


@leaf
def settle(second, ties, first, n_slots, unit, n_positions, level, lost, members, size):
    """Add to ``lost`` the samples on which a rival that draws level wins by the second sum, or equal sums by class."""
    slots, label_weights, score_weights, shares = second
    for slot in range(1, n_slots):
        for word in range(WORDS):
            bits = level[slot * WORDS + word] & ~lost[word]
            while bits:
                bit = bits & (~bits + BIT)
                bits ^= bit
                place = word * 64 + np.int64(bits_set(bit - BIT))
                position, row = unit * UNIT + place, first * UNIT + place
                if position >= n_positions:
                    break
                ours = 0  # second sum of the truth less that of the rival
                for i in range(size):
                    member = np.uint64(members[i]) >> OFFSET
                    own = slots[position, member]
                    ours += label_weights[member] * (np.int64(own == 0) - np.int64(own == slot))
                if shares.shape[0]:
                    for i in range(size):
                        member = np.uint64(members[i]) >> OFFSET
                        more = np.int64(shares[row, member]) - np.int64(shares[row + slot * UNIT, member])
                        ours += score_weights[member] * more
                least = np.int64((ties[(first + slot) * WORDS + word] & bit) != 0)
                lost[word] |= bit * np.uint64(ours < least)


@compiled
def settled_errors(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, subsets, second, groups, n_groups
):  # fmt: skip
    """Count errors by group in units ``first`` to ``last - 1``: int64, (n_subsets, n_groups).

    ``groups`` holds the groups of the samples in the order of the planes. With one group nobody looks at them.
    """
    n_subsets, n_members = subsets.shape
    errors = np.zeros((n_subsets, n_groups), np.int64)
    members, begins = room_for_group(subsets)
    most_bits = counter_bits(n_members)
    truth, rival, lost, level = room(most_bits), room(most_bits), room(1), room(largest_step(first_slot))
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        for unit in range(first, last):
            for i in range(start, end):
                size, listed = begins[i + 1] - begins[i], members[begins[i] :]
                if n_groups == 1 and n_members - size < closest[unit]:
                    errors[i, 0] += lost_by_all[unit]
                    continue
                slot_0 = first_slot[unit]
                n_slots = live_slots(leads, first_slot, unit, n_members - size)
                store(lost, 0, lost_and_level(words, slot_0, n_slots, n_members, listed, size, truth, rival, level))
                settle(second, ties, slot_0, n_slots, unit, groups.size, level, lost, listed, size)
                if n_groups == 1:
                    errors[i, 0] += popcount(load(lost, 0))
                else:
                    count_by_group(lost, groups[unit * UNIT :], errors[i])
        start = end
    return errors


@leaf
def count_by_group(lost, groups, errors):
    """Add 1 to the errors of the group of each lost sample."""
    for word in range(WORDS):
        bits = lost[word]
        while bits:
            bit = bits & (~bits + BIT)
            bits ^= bit
            errors[groups[word * 64 + np.int64(bits_set(bit - BIT))]] += 1


@leaf
def add_sums(second, at, row, n_slots, members, size, counts, sums, base):
    """Add the votes and second sums of the slots of one sample to ``counts`` and ``sums``, from ``base`` on."""
    slots, label_weights, score_weights, shares = second
    for i in range(size):
        own = np.int64(slots[at, np.uint64(members[i]) >> OFFSET])
        if own < n_slots:
            counts[base + own] += 1
            sums[base + own] += label_weights[np.uint64(members[i]) >> OFFSET]
    if shares.shape[0]:
        for slot in range(n_slots):
            for i in range(size):
                member = np.uint64(members[i]) >> OFFSET
                sums[base + slot] += score_weights[member] * np.int64(shares[row + slot * UNIT, member])


@compiled
def fill_settled_predictions(y_pred, subsets, first_slot, order, second, out):
    """Write to ``out``, (n_subsets, n_samples), the label that wins each tie; other samples are left as they are.

    Of the classes with the most votes, the one with the largest second sum wins, then the lowest. ``order`` holds the
    sample at each position.
    """
    n_slots_of_all = largest_step(first_slot)
    counts, sums = np.empty(n_slots_of_all, np.int64), np.empty(n_slots_of_all, np.int64)
    members = np.empty(subsets.shape[1], np.int32)
    for subset in range(subsets.shape[0]):
        size = list_members(subsets[subset], members)
        for at in range(order.size):
            slot_0, n_slots = first_slot[at // UNIT], first_slot[at // UNIT + 1] - first_slot[at // UNIT]
            counts[:] = 0
            sums[:] = 0
            add_sums(second, at, slot_0 * UNIT + at % UNIT, n_slots, members, size, counts, sums, 0)
            most, best, label = 1, -1, 0  # where nobody has an answer nothing wins
            for i in range(size):
                slot = np.int64(second[0][at, np.uint64(members[i]) >> OFFSET])
                if slot >= n_slots or counts[slot] < most:
                    continue
                own = np.int64(y_pred[np.uint64(members[i]) >> OFFSET, order[at]])
                ahead = best < 0 or counts[slot] > most or sums[slot] > sums[best]
                if ahead or (sums[slot] == sums[best] and own < label):
                    most, best, label = counts[slot], slot, own
            if best >= 0:
                out[subset, order[at]] = label
