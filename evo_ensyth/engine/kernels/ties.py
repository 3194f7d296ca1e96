"""Ties between the truth and its strongest rivals, broken by a second sum: they are few, so each is settled apart.

Everything else is counted on the bit planes.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, largest_step, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled, inlined_leaf, leaf
from evo_ensyth.engine.kernels.counting import (
    LOW_BITS,
    beats,
    count,
    counter_bits,
    list_group,
    live_slots,
    room_for_group,
    room_for_high,
)
from evo_ensyth.engine.kernels.second_sums import ONE, SIX, ZERO, blocks_in, chosen_of, count_voters, lead

FEW = 9  # members of a subset that are looked at in the order of their weights: at most 4 votes for each side of a tie
PLACE = np.uint64(3)  # bits: the offset of a plane is the number of its member times eight


@inlined_leaf
def lost_and_level(words, ties, first, n_slots, n_members, members, size, high, level):
    """Samples on which some rival has more votes than the truth; ``level`` gets those on which each has as many.

    ``first`` is the first of the ``n_slots`` slots that count, and ``high`` is as for `counting.wrong_samples`. Where
    the truth has no votes, a rival that has none either wins if it wins ties to the lowest class.
    """
    n_high = counter_bits(size) - LOW_BITS
    of_truth, of_rival = high[: high.size // 2], high[high.size // 2 :]
    stride = n_members * WORDS
    one, two, four, eight, sixteen = count(words, first * stride, members, size, of_truth, n_high)
    some = one | two | four | eight | sixteen
    for bit in range(0, n_high * WORDS, WORDS):
        some = some | load(of_truth, bit)
    lost = zero()
    for slot in range(1, n_slots):
        rivals = count(words, (first + slot) * stride, members, size, of_rival, n_high)
        behind = beats(one, rivals[0], load(ties, (first + slot) * WORDS) & ~some)
        behind = beats(two, rivals[1], behind)
        behind = beats(four, rivals[2], behind)
        behind = beats(eight, rivals[3], behind)
        behind = beats(sixteen, rivals[4], behind)
        differs = (one ^ rivals[0]) | (two ^ rivals[1]) | (four ^ rivals[2])
        differs = differs | (eight ^ rivals[3]) | (sixteen ^ rivals[4])
        for bit in range(0, n_high * WORDS, WORDS):
            ours, theirs = load(of_truth, bit), load(of_rival, bit)
            behind = beats(ours, theirs, behind)
            differs = differs | (ours ^ theirs)
        lost = lost | behind
        store(level, slot * WORDS, some & ~differs)
    return lost


@inlined_leaf
def list_bits(bits, base, places, n):
    """Append the places of set bits, plus ``base``, to the first ``n`` places; return how many there are then.

    ``bits`` are eight words, cleared. Each pass takes the lowest bit of every word, if it has one, without a branch:
    where the next one is cannot be predicted. So there is one entry more than places.
    """
    left = ONE
    while left:
        left = ZERO
        for word in range(WORDS):
            now = bits[word]
            rest = now & (now - ONE)
            places[n] = base + np.uint64(word * 64) + bits_set((now ^ rest) - ONE)
            n += np.uint64(now != ZERO)
            bits[word] = rest
            left |= rest
    return n


@inlined_leaf
def settle(second, ties, first, n_slots, level, lost, chosen, subset, places):
    """Add to ``lost`` the samples on which a rival that draws level wins by the second sum, or equal sums by class.

    ``level`` of slot 0 and ``places`` are working memory.
    """
    n, (blocks, listed) = ZERO, blocks_in(chosen, subset)
    for slot in range(1, n_slots):
        open_ties = load(level, slot * WORDS) & ~load(lost, 0)
        if popcount(open_ties):
            store(level, 0, open_ties)
            n = list_bits(level, np.uint64(slot * UNIT), places, n)
    of_truth = np.uint64(first * UNIT)
    for i in range(n):
        place = np.uint64(places[i])
        word, bit = place >> SIX, place & np.uint64(63)
        row = of_truth + (place & np.uint64(UNIT - 1))
        ours = lead(second, row, of_truth + place, blocks, listed)
        if ours == 0:  # rarely
            ours -= np.int64(ties[np.uint64(first * WORDS) + word] >> bit & ONE)
        lost[word & np.uint64(WORDS - 1)] |= np.uint64(ours < 0) << bit


@leaf
def sort_by_weight(weights, members, size, sorted_members):
    """Sort members by label weight, the heaviest first; return if no two weights are equal, else nothing is sorted."""
    n_equal = 0
    for i in range(size):
        own, n_heavier = weights[np.uint64(members[i]) >> PLACE], 0
        for j in range(size):
            other = weights[np.uint64(members[j]) >> PLACE]
            n_heavier += other > own
            n_equal += other == own
        sorted_members[n_heavier] = members[i]
    if n_equal > size:
        return False
    for i in range(size):
        members[i] = sorted_members[i]
    return True


@inlined_leaf
def settle_in_order(words, at_truth, at_rival, members, size):
    """Samples that the truth wins, or its rival, of those on which both have as many votes, by few different weights.

    Members are listed from the heaviest. If at no point the truth has had fewer votes so far than its rival, each of
    its voters has one of the rival's that is no heavier. The difference, of four bits, is between -4 and 4.
    """
    one, two, four, eight = zero(), zero(), zero(), zero()
    ever_ahead, ever_behind = zero(), zero()
    for i in range(size):
        truth, rival = load(words, at_truth + members[i]), load(words, at_rival + members[i])
        change = truth | rival
        carry = change & (one ^ rival)
        one = one ^ change
        change = carry & (two ^ rival)
        two = two ^ carry
        carry = change & (four ^ rival)
        four = four ^ change
        eight = eight ^ carry
        ever_behind = ever_behind | eight
        ever_ahead = ever_ahead | ((one | two | four) & ~eight)
    return ~ever_behind, ~ever_ahead


@inlined_leaf
def settle_few(words, first, n_slots, n_members, members, size, level, lost):
    """Return ``lost`` with the ties of few members of different weights that are plain; ``level`` keeps the others."""
    stride = n_members * WORDS
    for slot in range(1, n_slots):
        tied = load(level, slot * WORDS)
        if popcount(tied):
            ours, theirs = settle_in_order(words, first * stride, (first + slot) * stride, members, size)
            lost = lost | (tied & theirs)
            store(level, slot * WORDS, tied & ~(ours | theirs))
    return lost


@inlined_leaf
def wrong_samples(
    words, ties, first, n_slots, second, members, size, in_order, chosen, subset, high, level, lost, places
):
    """Write to ``lost`` the samples that ``members[:size]`` get wrong in the unit whose slots begin with ``first``.

    ``in_order`` says that they are few, with different label weights that break ties.
    """
    n_members = second.ranked.size
    behind = lost_and_level(words, ties, first, n_slots, n_members, members, size, high, level)
    if in_order:
        behind = settle_few(words, first, n_slots, n_members, members, size, level, behind)
    store(lost, 0, behind)
    settle(second, ties, first, n_slots, level, lost, chosen, subset, places)


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
    sorted_members, in_order = np.empty(FEW, np.int32), np.zeros(n_subsets, np.bool_)
    chosen = chosen_of(subsets, second.voters.shape[1])
    high, lost, level = room_for_high(n_members, 2), room(1), room(largest_step(first_slot))
    places = np.empty(largest_step(first_slot) * UNIT + 1, np.uint32)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        for i in range(start, end):
            size, those = begins[i + 1] - begins[i], members[begins[i] :]
            few = size <= FEW and not second.shares.size
            in_order[i] = few and sort_by_weight(second.weights, those, size, sorted_members)
        for unit in range(first, last):
            for i in range(start, end):
                size, those = begins[i + 1] - begins[i], members[begins[i] :]
                if n_groups == 1 and n_members - size < closest[unit]:
                    errors[i, 0] += lost_by_all[unit]
                    continue
                slot_0 = first_slot[unit]
                n_slots = live_slots(leads, first_slot, unit, n_members - size)
                wrong_samples(
                    words, ties, slot_0, n_slots, second, those, size, in_order[i], chosen, i, high, level, lost, places
                )
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
            rest = bits & (bits - ONE)
            errors[groups[word * 64 + np.int64(bits_set((bits ^ rest) - ONE))]] += 1
            bits = rest


@leaf
def any_voter(voters, row, masks):
    """First of the chosen members that vote for the class of a row; there is one."""
    for mask in range(masks.size):
        bits = voters[row, mask] & masks[mask]
        if bits:
            return 64 * mask + np.int64(bits_set((bits & (~bits + ONE)) - ONE))
    return 0


@leaf
def winner(second, labels, row, n_slots, chosen, subset, none):
    """Label that wins on the sample whose slots begin with a row, or ``none`` where nobody answers.

    Of the classes with the most votes, the one with the largest second sum wins, then the lowest.
    """
    most, best, label = np.int64(0), row, none
    masks, (blocks, listed) = chosen.masks[subset], blocks_in(chosen, subset)
    for _ in range(n_slots):
        n = count_voters(second.voters, row, masks)
        if n and n >= most:
            own = np.int64(labels[any_voter(second.voters, row, masks)])
            ahead = n - most if n > most else lead(second, row, best, blocks, listed)
            if ahead > 0 or (ahead == 0 and own < label):
                most, best, label = n, row, own
        row += np.uint64(UNIT)
    return label


@compiled
def fill_settled_predictions(y_pred, subsets, first_slot, order, second, none, first, last, out):
    """Write to ``out``, (n_subsets, n_samples), the label that wins, or ``none``; uncontested samples are left alone.

    Only positions ``first`` to ``last - 1`` are looked at. ``order`` holds the sample at each position.
    """
    chosen = chosen_of(subsets, second.voters.shape[1])
    for subset in range(subsets.shape[0]):
        for at in range(first, last):
            slot_0, n_slots = first_slot[at // UNIT], first_slot[at // UNIT + 1] - first_slot[at // UNIT]
            row, labels = np.uint64(slot_0 * UNIT + at % UNIT), y_pred[:, order[at]]
            out[subset, order[at]] = winner(second, labels, row, n_slots, chosen, subset, none)
