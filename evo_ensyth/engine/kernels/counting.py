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
from evo_ensyth.engine.kernels.compiler import compiled, inlined_leaf, leaf

LOW_BITS = 5  # digits of a count that stay in registers
LEAST_BITS = 4  # of a counter
# Members of the subsets that go through the units as one group. Reading a list of this length, 256 kB, costs as much as
# fetching a unit of a thousand members again for another group.
LISTED = 65_536


@leaf
def add(a, b, c):
    """Full adder: sum and carry of three bits. LLVM compiles this form to two ternary instructions."""
    return a ^ b ^ c, (a & b) | (c & (a | b))


@leaf
def add_two(words, first, second, one):
    """Add two planes to the ones; return the ones and the carry for the twos."""
    return add(one, load(words, first), load(words, second))


@leaf
def add_four(words, at, members, i, one, two):
    """Add four planes to the ones and twos; return these and the carry for the fours."""
    one, first = add_two(words, at + members[i], at + members[i + 1], one)
    one, second = add_two(words, at + members[i + 2], at + members[i + 3], one)
    two, carry = add(two, first, second)
    return one, two, carry


@leaf
def add_eight(words, at, members, i, one, two, four):
    """Add eight planes to the ones, twos and fours; return these and the carry for the eights."""
    one, two, first = add_four(words, at, members, i, one, two)
    one, two, second = add_four(words, at, members, i + 4, one, two)
    four, carry = add(four, first, second)
    return one, two, four, carry


@inlined_leaf
def add_sixteen(words, at, members, i, one, two, four, eight):
    """Add sixteen planes to the ones, twos, fours and eights; return these and the carry for the sixteens."""
    one, two, four, first = add_eight(words, at, members, i, one, two, four)
    one, two, four, second = add_eight(words, at, members, i + 8, one, two, four)
    eight, carry = add(eight, first, second)
    return one, two, four, eight, carry


@inlined_leaf
def count(words, at, members, n, high, n_high):
    """Count the votes of ``members[:n]`` in the slot that starts at ``words[at]``: ones, twos, ..., sixteens.

    The ``n_high`` digits beyond are written to ``high``; less than 32 members have none. The remainder of the division
    of n by 32 comes first, while the count is too small to overflow its low digits.
    """
    one, two, four, eight, sixteen = zero(), zero(), zero(), zero(), zero()
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
    if n & 16:
        one, two, four, eight, sixteen = add_sixteen(words, at, members, i, one, two, four, eight)
        i += 16
    for bit in range(n_high):
        store(high, bit * WORDS, zero())
    while i < n:
        one, two, four, eight, first = add_sixteen(words, at, members, i, one, two, four, eight)
        one, two, four, eight, second = add_sixteen(words, at, members, i + 16, one, two, four, eight)
        sixteen, carry = add(sixteen, first, second)
        for bit in range(n_high):
            before = load(high, bit * WORDS)
            store(high, bit * WORDS, before ^ carry)
            carry = before & carry
        i += 32
    return one, two, four, eight, sixteen


@leaf
def count_votes(words, at, members, n, counter, n_bits):
    """Write what `count` counts to ``counter``, ``n_bits`` `Bits`."""
    high = counter[LOW_BITS * WORDS :]
    one, two, four, eight, sixteen = count(words, at, members, n, high, n_bits - LOW_BITS)
    store(counter, 0, one)
    store(counter, WORDS, two)
    store(counter, 2 * WORDS, four)
    store(counter, 3 * WORDS, eight)
    if n_bits >= LOW_BITS:
        store(counter, 4 * WORDS, sixteen)


@leaf
def counter_bits(most):
    """Number of `Bits` in a counter up to ``most``, at least as many as `count_votes` writes."""
    bits = LEAST_BITS
    while most >> bits:
        bits += 1
    return bits


@leaf
def beats(truth, rival, loses):
    """One step of a comparison, from the lowest bit up: the highest bit in which the two differ decides."""
    return (rival & ~truth) | (loses & ~(rival ^ truth))


@leaf
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


@leaf
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


@leaf
def worth_fetching(n_listed, n_members, unit, last):
    """Whether there is a next unit and the group is large enough to need most of it."""
    return unit + 1 < last and n_listed >= n_members


@leaf
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


@leaf
def live_slots(leads, first_slot, unit, left_out):
    """Number of slots of a unit, the truth's included, that can matter if at most ``left_out`` members are left out."""
    slot = first_slot[unit] + 1
    while slot < first_slot[unit + 1] and left_out >= leads[slot]:
        slot += 1
    return slot - first_slot[unit]


@leaf
def wrong_samples(words, ties, leads, first, last, n_members, members, size, high):
    """Samples that ``members[:size]`` get wrong, in the unit with slots ``first`` to ``last - 1``.

    ``high`` is working memory for the high digits of the counts of the truth and of a rival.
    """
    n_high = counter_bits(size) - LOW_BITS
    of_truth, of_rival = high[: high.size // 2], high[high.size // 2 :]
    stride = n_members * WORDS
    one, two, four, eight, sixteen = count(words, first * stride, members, size, of_truth, n_high)
    wrong = zero()
    for slot in range(first + 1, last):
        if n_members - size < leads[slot]:  # this rival cannot win, and those after it are weaker
            break
        rivals = count(words, slot * stride, members, size, of_rival, n_high)
        loses = beats(one, rivals[0], load(ties, slot * WORDS))
        loses = beats(two, rivals[1], loses)
        loses = beats(four, rivals[2], loses)
        loses = beats(eight, rivals[3], loses)
        loses = beats(sixteen, rivals[4], loses)
        for bit in range(0, n_high * WORDS, WORDS):
            loses = beats(load(of_truth, bit), load(of_rival, bit), loses)
        wrong = wrong | loses
    return wrong


@compiled
def room_for_high(n_members, n_counters):
    """Allocate the high digits of counts of up to all members, for `count`; a row at least, to take slices of."""
    return room(n_counters * max(counter_bits(n_members) - LOW_BITS, 1))


@leaf
def add_errors(
    words, ties, leads, first_slot, closest, lost, first, last, n_members, members, begins, start, end, high, errors
):
    """Add the errors of the subsets ``start`` to ``end - 1``, listed as a group, in units ``first`` to ``last - 1``."""
    stride = n_members * WORDS
    most_left_out = n_members - smallest_step(begins[start : end + 1])
    for unit in range(first, last):
        slot_0, slot_end = first_slot[unit], first_slot[unit + 1]
        ahead = ahead_end = slot_end * stride
        if worth_fetching(begins[end], n_members, unit, last) and most_left_out >= closest[unit + 1]:
            ahead_end += live_slots(leads, first_slot, unit + 1, most_left_out) * stride
        for i in range(start, end):
            ahead = fetch(words, ahead, ahead_end, end - i)
            size = begins[i + 1] - begins[i]
            if n_members - size < closest[unit]:
                errors[i] += lost[unit]
                continue
            listed = members[begins[i] :]
            errors[i] += popcount(wrong_samples(words, ties, leads, slot_0, slot_end, n_members, listed, size, high))


@compiled
def count_errors(words, ties, leads, first_slot, closest, lost, first, last, subsets):
    """Count the samples of units ``first`` to ``last - 1`` that each subset gets wrong: int64, (n_subsets,).

    Leaving out a member changes the lead of the truth over a rival by at most one. So if a subset leaves out fewer
    members than the lead in the whole pool, the outcome is the same as for the whole pool.
    """
    n_subsets, n_members = subsets.shape
    errors = np.zeros(n_subsets, np.int64)
    members, begins = room_for_group(subsets)
    high = room_for_high(n_members, 2)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        add_errors(
            words, ties, leads, first_slot, closest, lost, first, last, n_members, members, begins, start, end, high,
            errors,
        )  # fmt: skip
        start = end
    return errors


@leaf
def add_errors_by(
    words, ties, leads, first_slot, first, last, n_members, members, begins, start, end, high, wrong, groups, errors
):
    """Add the errors by group of the subsets ``start`` to ``end - 1``, in units ``first`` to ``last - 1``.

    Only wrong samples are visited one by one; ``wrong`` is working memory for one `Bits`.
    """
    stride = n_members * WORDS
    most_left_out = n_members - smallest_step(begins[start : end + 1])
    for unit in range(first, last):
        slot_0, slot_end = first_slot[unit], first_slot[unit + 1]
        ahead = ahead_end = slot_end * stride
        if worth_fetching(begins[end], n_members, unit, last):
            ahead_end += live_slots(leads, first_slot, unit + 1, most_left_out) * stride
        for i in range(start, end):
            ahead = fetch(words, ahead, ahead_end, end - i)
            size, listed = begins[i + 1] - begins[i], members[begins[i] :]
            store(wrong, 0, wrong_samples(words, ties, leads, slot_0, slot_end, n_members, listed, size, high))
            for word in range(WORDS):
                at = unit * UNIT + word * 64
                bits = wrong[word]
                while bits:
                    rest = bits & (bits - np.uint64(1))
                    lowest = np.int64(bits_set((bits ^ rest) - np.uint64(1)))
                    errors[i, groups[at + lowest]] += 1
                    bits = rest


@compiled
def count_errors_by(words, ties, leads, first_slot, closest, lost, first, last, subsets, groups, n_groups):
    """Count the errors by group in units ``first`` to ``last - 1``: int64, (n_subsets, n_groups).

    ``groups`` holds the groups of the samples in the order of the planes.
    """
    n_subsets, n_members = subsets.shape
    errors = np.zeros((n_subsets, n_groups), np.int64)
    members, begins = room_for_group(subsets)
    high, wrong = room_for_high(n_members, 2), room(1)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        add_errors_by(
            words, ties, leads, first_slot, first, last, n_members, members, begins, start, end, high, wrong, groups,
            errors,
        )  # fmt: skip
        start = end
    return errors
