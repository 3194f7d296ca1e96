"""Margins: votes for the true class minus votes for its strongest rival."""

import numpy as np

from evo_ensyth.engine.kernels.bits import (
    UNIT,
    WORDS,
    add_weighted,
    largest_step,
    load,
    popcount,
    room,
    store,
    total,
    zero,
)
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import (
    LOW_BITS,
    add,
    beats,
    count,
    counter_bits,
    fetch,
    list_group,
    room_for_group,
    room_for_high,
    worth_fetching,
)
from evo_ensyth.engine.kernels.neighbours import count_slots


@leaf
def choose(condition, yes, no):
    """Take each bit from ``yes`` where the condition's bit is set, else from ``no``."""
    return (condition & yes) | (no & ~condition)


@leaf
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


@leaf
def raise_to(most, rival, n_bits):
    """Raise each number in ``most`` to that of the rival where the rival's is larger."""
    larger = zero()
    for bit in range(0, n_bits * WORDS, WORDS):
        larger = beats(load(most, bit), load(rival, bit), larger)
    for bit in range(0, n_bits * WORDS, WORDS):
        store(most, bit, choose(larger, load(rival, bit), load(most, bit)))


@leaf
def subtract(truth, most, n_bits, digits):
    """Write truth minus strongest rival plus 2^n_bits, which is not negative, as ``n_bits + 1`` digits."""
    carry = ~zero()  # subtract by adding the complement and one
    for bit in range(0, n_bits * WORDS, WORDS):
        digit, carry = add(load(truth, bit), ~load(most, bit), carry)
        store(digits, bit, digit)
    store(digits, n_bits * WORDS, carry)


@leaf
def split_by_margin(truth, most, n_bits, digits, masks, values, sizes):
    """Group 512 samples by margin, truth minus strongest rival; see `split_by_value`."""
    subtract(truth, most, n_bits, digits)
    n = split_by_value(digits, n_bits + 1, masks, values, sizes)
    for part in range(n):
        values[part] -= 1 << n_bits
    return n


@leaf
def margin_digits(words, first_slot, unit, members, size, n_members, high, digits):
    """Write the margins in a unit plus 2^n_bits, which are not negative, as ``n_bits + 1`` digits; return n_bits.

    A margin is the votes for the truth less those for the strongest rival. ``high`` is working memory for the high
    digits of the counts of the truth, of a rival and of the strongest one.
    """
    n_bits, stride = counter_bits(size), n_members * WORDS
    n_high, third = n_bits - LOW_BITS, high.size // 3
    of_truth, of_rival, of_most = high[:third], high[third : 2 * third], high[2 * third :]
    slot_0 = first_slot[unit]
    truth = count(words, slot_0 * stride, members, size, of_truth, n_high)
    one, two, four, eight, sixteen = zero(), zero(), zero(), zero(), zero()  # of the strongest rival
    for bit in range(0, n_high * WORDS, WORDS):
        store(of_most, bit, zero())
    for slot in range(slot_0 + 1, first_slot[unit + 1]):
        rival = count(words, slot * stride, members, size, of_rival, n_high)
        larger = beats(one, rival[0], zero())
        larger = beats(two, rival[1], larger)
        larger = beats(four, rival[2], larger)
        larger = beats(eight, rival[3], larger)
        larger = beats(sixteen, rival[4], larger)
        for bit in range(0, n_high * WORDS, WORDS):
            larger = beats(load(of_most, bit), load(of_rival, bit), larger)
        one, two = choose(larger, rival[0], one), choose(larger, rival[1], two)
        four, eight = choose(larger, rival[2], four), choose(larger, rival[3], eight)
        sixteen = choose(larger, rival[4], sixteen)
        for bit in range(0, n_high * WORDS, WORDS):
            store(of_most, bit, choose(larger, load(of_rival, bit), load(of_most, bit)))
    digit, carry = add(truth[0], ~one, ~zero())  # subtract by adding the complement and one
    store(digits, 0, digit)
    digit, carry = add(truth[1], ~two, carry)
    store(digits, WORDS, digit)
    digit, carry = add(truth[2], ~four, carry)
    store(digits, 2 * WORDS, digit)
    digit, carry = add(truth[3], ~eight, carry)
    store(digits, 3 * WORDS, digit)
    if n_bits >= LOW_BITS:
        digit, carry = add(truth[4], ~sixteen, carry)
        store(digits, 4 * WORDS, digit)
    for bit in range(0, n_high * WORDS, WORDS):
        digit, carry = add(load(of_truth, bit), ~load(of_most, bit), carry)
        store(digits, LOW_BITS * WORDS + bit, digit)
    store(digits, n_bits * WORDS, carry)
    return n_bits


@compiled
def room_for_margins(n_members):
    """Allocate high digits of three counts, and digits of the margins; masks, values and sizes of their parts."""
    high, digits = room_for_high(n_members, 3), room(counter_bits(n_members) + 1)
    return high, digits, room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)


@leaf
def add_two_losses(sums, samples, digit, losses, at):
    """Add the losses of samples with the values ``at`` and ``at + 1``, which their lowest digit tells apart."""
    sums = add_weighted(sums, samples & ~digit, losses[at])
    return add_weighted(sums, samples & digit, losses[at + 1])


@leaf
def add_four_losses(sums, samples, digits, losses, at):
    """Add the losses of samples with the four values from ``at`` on."""
    digit, lowest = load(digits, WORDS), load(digits, 0)
    sums = add_two_losses(sums, samples & ~digit, lowest, losses, at)
    return add_two_losses(sums, samples & digit, lowest, losses, at + 2)


@leaf
def sum_by_value(digits, n_digits, losses, masks, values, sizes):
    """Sum of the losses of 512 samples; ``losses`` holds them by the number that the digits of a sample give.

    Samples are split by all digits but the lowest three. The eight values of each part are then counted whether or not
    they occur, which takes less time than to ask. ``masks``, ``values`` and ``sizes`` are those of `split_by_value`.
    """
    sums = zero()
    for part in range(split_by_value(digits[3 * WORDS :], n_digits - 3, masks, values, sizes)):
        samples, digit, at = load(masks, part * WORDS), load(digits, 2 * WORDS), 8 * values[part]
        sums = add_four_losses(sums, samples & ~digit, digits, losses, at)
        sums = add_four_losses(sums, samples & digit, digits, losses, at + 4)
    return total(sums)


@leaf
def add_margins(words, first_slot, first, last, n_members, members, begins, start, end, room_for, found):
    """Add the margins of the subsets ``start`` to ``end - 1``, listed as a group, in units ``first`` to ``last - 1``.

    ``room_for`` is the working memory of `room_for_margins`.
    """
    high, digits, masks, values, counts = room_for
    stride = n_members * WORDS
    for unit in range(first, last):
        ahead = ahead_end = first_slot[unit + 1] * stride
        if worth_fetching(begins[end], n_members, unit, last):
            ahead_end = first_slot[unit + 2] * stride
        for i in range(start, end):
            ahead = fetch(words, ahead, ahead_end, end - i)
            size, listed = begins[i + 1] - begins[i], members[begins[i] :]
            n_bits = margin_digits(words, first_slot, unit, listed, size, n_members, high, digits)
            zero_at = n_members - (1 << n_bits)
            for part in range(split_by_value(digits, n_bits + 1, masks, values, counts)):
                found[i, zero_at + values[part]] += counts[part]


@compiled
def count_margins(words, first_slot, first, last, subsets):
    """Count how often each margin occurs in units ``first`` to ``last - 1``, including unused sample positions.

    int64, (n_subsets, 2 * n_members + 1): column ``n_members + d`` counts the samples on which the truth has d votes
    more than its strongest rival.
    """
    n_subsets, n_members = subsets.shape
    found = np.zeros((n_subsets, 2 * n_members + 1), np.int64)
    members, begins = room_for_group(subsets)
    room_for = room_for_margins(n_members)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        add_margins(words, first_slot, first, last, n_members, members, begins, start, end, room_for, found)
        start = end
    return found


@leaf
def add_losses(words, first_slot, first, last, n_members, members, begins, start, end, losses, row_of, room_for, sums):
    """Add the losses of the subsets ``start`` to ``end - 1``, listed as a group, in units ``first`` to ``last - 1``.

    ``room_for`` is the working memory of `room_for_margins`.
    """
    high, digits, masks, values, counts = room_for
    stride = n_members * WORDS
    for unit in range(first, last):
        ahead = ahead_end = first_slot[unit + 1] * stride
        if worth_fetching(begins[end], n_members, unit, last):
            ahead_end = first_slot[unit + 2] * stride
        for i in range(start, end):
            ahead = fetch(words, ahead, ahead_end, end - i)
            size, listed = begins[i + 1] - begins[i], members[begins[i] :]
            n_bits = margin_digits(words, first_slot, unit, listed, size, n_members, high, digits)
            sums[i] += sum_by_value(digits, n_bits + 1, losses[row_of[size]], masks, values, counts)


@compiled
def sum_losses(words, first_slot, first, last, subsets, losses, row_of):
    """Sum of the losses of the margins in units ``first`` to ``last - 1``: int64, (n_subsets,).

    ``losses[row_of[size], d + 2^b]`` is the loss, below 2^31, for a margin of d in an ensemble of a size, where b
    is the number of bits of the counter of its votes; see `smoothing.by_value`.
    """
    n_subsets, n_members = subsets.shape
    sums = np.zeros(n_subsets, np.int64)
    members, begins = room_for_group(subsets)
    room_for = room_for_margins(n_members)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        add_losses(
            words, first_slot, first, last, n_members, members, begins, start, end, losses, row_of, room_for, sums
        )
        start = end
    return sums


@leaf
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


@leaf
def gain_of(words, at, stride, n_slots, mover, leaves, strongest, alone, n, masks, gains):
    """Change in the sum of the losses of a unit, which starts at ``at``, after a mover joins it, or leaves.

    ``strongest`` and ``alone`` are those of `mark_strongest`. ``masks`` are the samples of each of ``n`` margins, and
    ``gains`` the change for each if it falls, and if it rises.
    """
    of_truth, of_rivals = load(words, at + mover), zero()
    table = alone if leaves else strongest
    for slot in range(1, n_slots):
        of_rivals = of_rivals | (load(words, at + slot * stride + mover) & load(table, slot * WORDS))
    rises = of_rivals if leaves else of_truth
    falls = of_truth if leaves else of_rivals
    sums = zero()
    for part in range(n):
        mask = load(masks, part * WORDS)
        sums = add_weighted(sums, mask & falls, gains[0, part])
        sums = add_weighted(sums, mask & rises, gains[1, part])
    return total(sums)


@leaf
def add_neighbour_losses(
    words, first_slot, first, last, members, movers, leaves, n_members, joined, left, room_for, gains, sums
):
    """Add to ``sums`` what `neighbour_losses` returns; ``room_for`` and ``gains`` are working memory."""
    counters, strongest, alone, most, digits, masks, values, counts = room_for
    stride, n_bits = n_members * WORDS, counter_bits(members.size)
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
            gained = gains[1] if leaves[i] else gains[0]
            sums[i] += unmoved_left if leaves[i] else unmoved_joined
            sums[i] += gain_of(words, at, stride, n_slots, movers[i], leaves[i], strongest, alone, n, masks, gained)


@compiled
def neighbour_losses(words, first_slot, first, last, members, movers, leaves, n_members, joined, left):
    """Sum of the losses of the margins in units ``first`` to ``last - 1`` after each move: int64, (n_movers,).

    ``members`` vote. Each mover joins them, or leaves them if ``leaves`` says so. ``joined`` and ``left``,
    (2 * n_members + 1,), are the losses, below 2^31, of every margin in ensembles of one member more, or one less.

    A vote for the truth changes the margin by one. Adding a vote for a rival changes it only if the rival is a
    strongest one, and taking one away only if it is the only strongest one. So a mover costs one pass over its own
    planes, and a few counts of bits for each margin in a unit.
    """
    sums = np.zeros(movers.size, np.int64)
    n_bits, most_slots = counter_bits(members.size), largest_step(first_slot)
    counters, strongest, alone = room(most_slots * n_bits), room(most_slots), room(most_slots)
    parts = room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)
    room_for = (counters, strongest, alone, room(n_bits), room(n_bits + 1), *parts)
    gains = np.empty((2, 2, UNIT), np.int64)  # [joins or leaves, margin falls or rises, margin]
    add_neighbour_losses(
        words, first_slot, first, last, members, movers, leaves, n_members, joined, left, room_for, gains, sums
    )
    return sums
