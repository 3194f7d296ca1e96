"""Margins: votes for the true class minus votes for its strongest rival."""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, largest_step, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.counting import (
    add,
    beats,
    count_votes,
    counter_bits,
    fetch,
    list_group,
    room_for_group,
    worth_fetching,
)
from evo_ensyth.engine.kernels.neighbours import count_slots


@compiled
def choose(condition, yes, no):
    """Take each bit from ``yes`` where the condition's bit is set, else from ``no``."""
    return (condition & yes) | (no & ~condition)


@compiled
def split_by_value(digits, n_digits, masks, values, sizes):
    """Group 512 samples by a number, given as binary digits, lowest first; return how many different numbers occur.

    Samples are split by the highest digit, then by the next; splits without samples on both sides are skipped. For each
    number, ``masks`` gets its samples, ``values`` the number, and ``sizes`` the count; each has space for 512 entries.
    """
    store(masks, 0, ~zero())
    values[0], sizes[0] = 0, UNIT
    n = 1
    for left in range(n_digits - 1, -1, -1):
        digit = load(digits, left * WORDS)
        for part in range(n):
            mask = load(masks, part * WORDS)
            n_ones = popcount(mask & digit)
            if n_ones == sizes[part]:
                values[part] += 1 << left
            elif n_ones > 0:
                store(masks, part * WORDS, mask & ~digit)
                sizes[part] -= n_ones
                store(masks, n * WORDS, mask & digit)
                values[n], sizes[n] = values[part] + (1 << left), n_ones
                n += 1
    return n


@compiled
def raise_to(most, rival, n_bits):
    """Raise each number in ``most`` to that of the rival where the rival's is larger."""
    larger = zero()
    for bit in range(0, n_bits * WORDS, WORDS):
        larger = beats(load(most, bit), load(rival, bit), larger)
    for bit in range(0, n_bits * WORDS, WORDS):
        store(most, bit, choose(larger, load(rival, bit), load(most, bit)))


@compiled
def subtract(truth, most, n_bits, digits):
    """Write truth minus strongest rival plus 2^n_bits, which is not negative, as ``n_bits + 1`` digits."""
    carry = ~zero()  # subtract by adding the complement and one
    for bit in range(0, n_bits * WORDS, WORDS):
        digit, carry = add(load(truth, bit), ~load(most, bit), carry)
        store(digits, bit, digit)
    store(digits, n_bits * WORDS, carry)


@compiled
def split_by_margin(truth, most, n_bits, digits, masks, values, sizes):
    """Group 512 samples by margin, truth minus strongest rival; see `split_by_value`."""
    subtract(truth, most, n_bits, digits)
    n = split_by_value(digits, n_bits + 1, masks, values, sizes)
    for part in range(n):
        values[part] -= 1 << n_bits
    return n


@compiled
def count_most(words, first_slot, unit, members, size, n_members, counters):
    """Count the votes for the truth and the strongest rival in a unit; return the number of bits of both counters.

    The first three of ``counters`` are working memory: for the truth, for a rival, and for the strongest one.
    """
    n_bits = counter_bits(size)
    truth, rival, most, _ = counters
    slot_0 = first_slot[unit]
    count_votes(words, slot_0 * n_members * WORDS, members, size, truth, n_bits)
    count_votes(words, (slot_0 + 1) * n_members * WORDS, members, size, most, n_bits)  # each unit has a rival
    for slot in range(slot_0 + 2, first_slot[unit + 1]):
        count_votes(words, slot * n_members * WORDS, members, size, rival, n_bits)
        raise_to(most, rival, n_bits)
    return n_bits


@compiled
def room_for_margins(n_members):
    """Allocate counters for the truth, a rival, the strongest, and the margin; masks, values and sizes of its parts."""
    n = counter_bits(n_members) + 1
    return (room(n), room(n), room(n), room(n)), room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)


@compiled
def loss_of_two(samples, digit, losses, at):
    """Sum of the losses of samples with the values ``at`` and ``at + 1``, which their lowest digit tells apart."""
    return popcount(samples & ~digit) * losses[at] + popcount(samples & digit) * losses[at + 1]


@compiled
def loss_of_four(samples, digits, losses, at):
    """Sum of the losses of samples with the four values from ``at`` on."""
    digit, lowest = load(digits, WORDS), load(digits, 0)
    return loss_of_two(samples & ~digit, lowest, losses, at) + loss_of_two(samples & digit, lowest, losses, at + 2)


@compiled
def sum_by_value(digits, n_digits, losses, masks, values, sizes):
    """Sum of the losses of 512 samples; ``losses`` holds them by the number that the digits of a sample give.

    Samples are split by all digits but the lowest three. The eight values of each part are then counted whether or not
    they occur, which takes less time than to ask. ``masks``, ``values`` and ``sizes`` are those of `split_by_value`.
    """
    total = 0
    for part in range(split_by_value(digits[3 * WORDS :], n_digits - 3, masks, values, sizes)):
        samples, digit, at = load(masks, part * WORDS), load(digits, 2 * WORDS), 8 * values[part]
        total += loss_of_four(samples & ~digit, digits, losses, at)
        total += loss_of_four(samples & digit, digits, losses, at + 4)
    return total


@compiled
def count_margins(words, first_slot, first, last, subsets):
    """Count how often each margin occurs in units ``first`` to ``last - 1``, including unused sample positions.

    int64, (n_subsets, 2 * n_members + 1): column ``n_members + d`` counts the samples on which the truth has d votes
    more than its strongest rival.
    """
    n_subsets, n_members = subsets.shape
    stride = n_members * WORDS
    found = np.zeros((n_subsets, 2 * n_members + 1), np.int64)
    members, begins = room_for_group(subsets)
    counters, masks, values, counts = room_for_margins(n_members)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        for unit in range(first, last):
            ahead = ahead_end = first_slot[unit + 1] * stride
            if worth_fetching(begins[end], n_members, unit, last):
                ahead_end = first_slot[unit + 2] * stride
            for i in range(start, end):
                ahead = fetch(words, ahead, ahead_end, end - i)
                size, listed = begins[i + 1] - begins[i], members[begins[i] :]
                n_bits = count_most(words, first_slot, unit, listed, size, n_members, counters)
                n = split_by_margin(counters[0], counters[2], n_bits, counters[3], masks, values, counts)
                for part in range(n):
                    found[i, n_members + values[part]] += counts[part]
        start = end
    return found


@compiled
def sum_losses(words, first_slot, first, last, subsets, losses, row_of):
    """Sum of the losses of the margins in units ``first`` to ``last - 1``: int64, (n_subsets,).

    ``losses[row_of[size], d + 2^b]`` is the loss for a margin of d in an ensemble of a size, where b is the number of
    bits of the counter of its votes; see `smoothing.by_value`.
    """
    n_subsets, n_members = subsets.shape
    stride = n_members * WORDS
    sums = np.zeros(n_subsets, np.int64)
    members, begins = room_for_group(subsets)
    counters, masks, values, counts = room_for_margins(n_members)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        for unit in range(first, last):
            ahead = ahead_end = first_slot[unit + 1] * stride
            if worth_fetching(begins[end], n_members, unit, last):
                ahead_end = first_slot[unit + 2] * stride
            for i in range(start, end):
                ahead = fetch(words, ahead, ahead_end, end - i)
                size, listed = begins[i + 1] - begins[i], members[begins[i] :]
                n_bits = count_most(words, first_slot, unit, listed, size, n_members, counters)
                subtract(counters[0], counters[2], n_bits, counters[3])
                sums[i] += sum_by_value(counters[3], n_bits + 1, losses[row_of[size]], masks, values, counts)
        start = end
    return sums


@compiled
def mark_strongest(counters, most, n_slots, n_bits, strongest, alone):
    """Mark for each rival the samples on which it is a strongest rival, and those on which it is the only one."""
    once, twice = zero(), zero()
    for slot in range(1, n_slots):
        differs = zero()
        for bit in range(0, n_bits * WORDS, WORDS):
            differs = differs | (load(counters, slot * n_bits * WORDS + bit) ^ load(most, bit))
        store(strongest, slot * WORDS, ~differs)
        twice = twice | (once & ~differs)
        once = once | ~differs
    for slot in range(WORDS, n_slots * WORDS, WORDS):
        store(alone, slot, load(strongest, slot) & ~twice)


@compiled
def neighbour_losses(words, first_slot, first, last, members, movers, leaves, n_members, joined, left):
    """Sum of the losses of the margins in units ``first`` to ``last - 1`` after each move: int64, (n_movers,).

    ``members`` vote. Each mover joins them, or leaves them if ``leaves`` says so. ``joined`` and ``left``,
    (2 * n_members + 1,), are the losses of every margin in ensembles of one member more, or one less.

    A vote for the truth changes the margin by one. Adding a vote for a rival changes it only if the rival is a
    strongest one, and taking one away only if it is the only strongest one. So a mover costs one pass over its own
    planes, and a few counts of bits for each margin in a unit.
    """
    sums = np.zeros(movers.size, np.int64)
    size = members.size
    n_bits = counter_bits(size)
    stride = n_members * WORDS
    most_slots = largest_step(first_slot)
    counters, strongest, alone = room(most_slots * n_bits), room(most_slots), room(most_slots)
    most, digits = room(n_bits), room(n_bits + 1)
    masks, values, counts = room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)
    gains = np.empty((2, 2, UNIT), np.int64)  # [joins or leaves, margin falls or rises, margin]
    for unit in range(first, last):
        at = first_slot[unit] * stride
        n_slots = first_slot[unit + 1] - first_slot[unit]
        count_slots(words, at, stride, n_slots, members, counters, n_bits)
        for bit in range(0, n_bits * WORDS, WORDS):
            store(most, bit, zero())
        for slot in range(1, n_slots):
            raise_to(most, counters[slot * n_bits * WORDS :], n_bits)
        mark_strongest(counters, most, n_slots, n_bits, strongest, alone)
        n = split_by_margin(counters, most, n_bits, digits, masks, values, counts)
        unmoved_joined, unmoved_left = 0, 0
        for part in range(n):
            margin = n_members + values[part]
            unmoved_joined += counts[part] * joined[margin]
            unmoved_left += counts[part] * left[margin]
            # No move leads beyond the last margin: the whole pool has no larger one.
            lower, upper = max(margin - 1, 0), min(margin + 1, 2 * n_members)
            gains[0, 0, part], gains[0, 1, part] = joined[lower] - joined[margin], joined[upper] - joined[margin]
            gains[1, 0, part], gains[1, 1, part] = left[lower] - left[margin], left[upper] - left[margin]
        for i in range(movers.size):
            of_truth, of_rivals = load(words, at + movers[i]), zero()
            table = alone if leaves[i] else strongest
            for slot in range(1, n_slots):
                votes = load(words, at + slot * stride + movers[i])
                of_rivals = of_rivals | (votes & load(table, slot * WORDS))
            rises = of_rivals if leaves[i] else of_truth
            falls = of_truth if leaves[i] else of_rivals
            kind = np.int64(leaves[i])
            total = unmoved_left if leaves[i] else unmoved_joined
            for part in range(n):
                mask = load(masks, part * WORDS)
                total += popcount(mask & falls) * gains[kind, 0, part] + popcount(mask & rises) * gains[kind, 1, part]
            sums[i] += total
    return sums
