"""Count the votes of subsets, 512 samples at once, and the samples that they get wrong."""

import numpy as np

from evo_ensyth.engine.kernels.bits import (
    UNIT,
    WORDS,
    bits_set,
    fetch_plane,
    load,
    popcount,
    room,
    smallest_step,
    store,
    zero,
)
from evo_ensyth.engine.kernels.compiler import compiled

LOW_BITS = 4  # bits of a counter that stay in registers
# Members of the subsets that go through the units as one group. Reading a list of this length, 256 kB, costs as much as
# fetching a unit of a thousand members again for another group.
LISTED = 65_536


@compiled
def add(a, b, c):
    """Full adder: sum and carry of three bits. LLVM compiles this form to two ternary instructions."""
    return a ^ b ^ c, (a & b) | (c & (a | b))


@compiled
def add_two(words, first, second, one):
    """Add two planes to the ones; return the ones and the carry for the twos."""
    return add(one, load(words, first), load(words, second))


@compiled
def add_four(words, at, members, i, one, two):
    """Add four planes to the ones and twos; return these and the carry for the fours."""
    one, first = add_two(words, at + members[i], at + members[i + 1], one)
    one, second = add_two(words, at + members[i + 2], at + members[i + 3], one)
    two, carry = add(two, first, second)
    return one, two, carry


@compiled
def add_eight(words, at, members, i, one, two, four):
    """Add eight planes to the ones, twos and fours; return these and the carry for the eights."""
    one, two, first = add_four(words, at, members, i, one, two)
    one, two, second = add_four(words, at, members, i + 4, one, two)
    four, carry = add(four, first, second)
    return one, two, four, carry


@compiled
def count_votes(words, at, members, n, counter, n_bits):
    """Count the votes of ``members[:n]`` in the slot that starts at ``words[at]``, as ``n_bits`` `Bits` in ``counter``.

    The remainder of the division of n by sixteen comes first, while the counter is too small to overflow its low bits.
    """
    one, two, four, eight = zero(), zero(), zero(), zero()
    i = 0
    if n & 1:
        one = load(words, at + members[0])
        i = 1
    if n & 2:
        one, two = add_two(words, at + members[i], at + members[i + 1], one)
        i += 2
    if n & 4:
        one, two, four = add_four(words, at, members, i, one, two)
        i += 4
    if n & 8:
        one, two, four, eight = add_eight(words, at, members, i, one, two, four)
        i += 8
    for bit in range(LOW_BITS, n_bits):
        store(counter, bit * WORDS, zero())
    while i < n:
        one, two, four, first = add_eight(words, at, members, i, one, two, four)
        one, two, four, second = add_eight(words, at, members, i + 8, one, two, four)
        eight, carry = add(eight, first, second)
        for bit in range(LOW_BITS, n_bits):
            before = load(counter, bit * WORDS)
            store(counter, bit * WORDS, before ^ carry)
            carry = before & carry
        i += 16
    store(counter, 0, one)
    store(counter, WORDS, two)
    store(counter, 2 * WORDS, four)
    store(counter, 3 * WORDS, eight)


@compiled
def counter_bits(most):
    """Number of `Bits` in a counter up to ``most``, at least as many as `count_votes` writes."""
    bits = LOW_BITS
    while most >> bits:
        bits += 1
    return bits


@compiled
def beats(truth, rival, loses):
    """One step of a comparison, from the lowest bit up: the highest bit in which the two differ decides."""
    return (rival & ~truth) | (loses & ~(rival ^ truth))


@compiled
def list_members(subset, members):
    """Write the offsets, within a slot, of the planes of a subset's members; return how many there are."""
    n = 0
    for member in range(subset.size):
        members[n] = member * WORDS  # no branch: it would be unpredictable
        n += subset[member]
    return n


@compiled
def room_for_group(subsets):
    """Allocate the arrays of `list_group`: members, and where those of each subset begin."""
    n_subsets, n_members = subsets.shape
    return np.empty(min(LISTED, subsets.size) + n_members, np.int32), np.empty(n_subsets + 1, np.int64)


@compiled
def list_group(subsets, start, members, begins):
    """List the members of the subsets that form a group, beginning with subset ``start``; return the end of the group.

    The members of subset i are at positions ``begins[i]`` to ``begins[i + 1] - 1``.
    """
    begins[start] = 0
    end = start
    while end < subsets.shape[0] and begins[end] < LISTED:
        begins[end + 1] = begins[end] + list_members(subsets[end], members[begins[end] :])
        end += 1
    return end


@compiled
def worth_fetching(n_listed, n_members, unit, last):
    """Whether there is a next unit and the group is large enough to need most of it."""
    return unit + 1 < last and n_listed >= n_members


@compiled
def fetch(words, at, end, n_parts):
    """Prefetch the first of ``n_parts`` parts of ``words[at:end]``, without waiting for it; return its end.

    A group reads a unit in no particular order, which is slow if the unit is not in the cache. So while each subset is
    counted in one unit, part of the next unit is fetched.
    """
    if at < end:
        part_end = at + (end - at) // n_parts
        while at < part_end:
            fetch_plane(words, at)
            at += WORDS
    return at


@compiled
def live_slots(leads, first_slot, unit, left_out):
    """Number of slots of a unit, the truth's included, that can matter if at most ``left_out`` members are left out."""
    slot = first_slot[unit] + 1
    while slot < first_slot[unit + 1] and left_out >= leads[slot]:
        slot += 1
    return slot - first_slot[unit]


@compiled
def wrong_samples(words, ties, leads, first, last, n_members, members, size, truth, rival):
    """Samples that ``members[:size]`` get wrong, in the unit with slots ``first`` to ``last - 1``.

    ``truth`` and ``rival`` are working memory for two counters.
    """
    n_bits = counter_bits(size)
    count_votes(words, first * n_members * WORDS, members, size, truth, n_bits)
    wrong = zero()
    for slot in range(first + 1, last):
        if n_members - size < leads[slot]:  # this rival cannot win, and those after it are weaker
            break
        count_votes(words, slot * n_members * WORDS, members, size, rival, n_bits)
        loses = load(ties, slot * WORDS)
        for bit in range(0, n_bits * WORDS, WORDS):
            loses = beats(load(truth, bit), load(rival, bit), loses)
        wrong = wrong | loses
    return wrong


@compiled
def count_errors(words, ties, leads, first_slot, closest, lost, first, last, subsets):
    """Count the samples of units ``first`` to ``last - 1`` that each subset gets wrong: int64, (n_subsets,).

    Leaving out a member changes the lead of the truth over a rival by at most one. So if a subset leaves out fewer
    members than the lead in the whole pool, the outcome is the same as for the whole pool.
    """
    n_subsets, n_members = subsets.shape
    stride = n_members * WORDS
    errors = np.zeros(n_subsets, np.int64)
    members, begins = room_for_group(subsets)
    most_bits = counter_bits(n_members)
    truth, rival = room(most_bits), room(most_bits)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        most_left_out = n_members - smallest_step(begins[start : end + 1])
        for unit in range(first, last):
            slot_0, slot_end = first_slot[unit], first_slot[unit + 1]
            ahead = ahead_end = slot_end * stride
            if worth_fetching(begins[end], n_members, unit, last) and most_left_out >= closest[unit + 1]:
                ahead_end += live_slots(leads, first_slot, unit + 1, most_left_out) * stride
            for i in range(start, end):
                ahead = fetch(words, ahead, ahead_end, end - i)
                size = begins[i + 1] - begins[i]
                left_out = n_members - size
                if left_out < closest[unit]:
                    errors[i] += lost[unit]
                    continue
                listed = members[begins[i] :]
                errors[i] += popcount(
                    wrong_samples(words, ties, leads, slot_0, slot_end, n_members, listed, size, truth, rival)
                )
        start = end
    return errors


@compiled
def count_errors_by(words, ties, leads, first_slot, closest, lost, first, last, subsets, groups, n_groups):
    """Count the errors by group in units ``first`` to ``last - 1``: int64, (n_subsets, n_groups).

    ``groups`` holds the groups of the samples in the order of the planes. Only wrong samples are visited one by one.
    """
    n_subsets, n_members = subsets.shape
    stride = n_members * WORDS
    errors = np.zeros((n_subsets, n_groups), np.int64)
    members, begins = room_for_group(subsets)
    most_bits = counter_bits(n_members)
    truth, rival, wrong = room(most_bits), room(most_bits), room(1)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        most_left_out = n_members - smallest_step(begins[start : end + 1])
        for unit in range(first, last):
            slot_0, slot_end = first_slot[unit], first_slot[unit + 1]
            ahead = ahead_end = slot_end * stride
            if worth_fetching(begins[end], n_members, unit, last):
                ahead_end += live_slots(leads, first_slot, unit + 1, most_left_out) * stride
            for i in range(start, end):
                ahead = fetch(words, ahead, ahead_end, end - i)
                size, listed = begins[i + 1] - begins[i], members[begins[i] :]
                of_unit = wrong_samples(words, ties, leads, slot_0, slot_end, n_members, listed, size, truth, rival)
                store(wrong, 0, of_unit)
                for word in range(WORDS):
                    at = unit * UNIT + word * 64
                    bits = wrong[word]
                    while bits:
                        rest = bits & (bits - np.uint64(1))
                        lowest = np.int64(bits_set((bits ^ rest) - np.uint64(1)))
                        errors[i, groups[at + lowest]] += 1
                        bits = rest
        start = end
    return errors
