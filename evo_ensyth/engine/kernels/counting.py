"""Counting the votes of subsets, 512 samples at once, and the samples that they get wrong."""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, fetch_plane, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled

LOW_BITS = 4  # of a counter: those that are kept in registers
# Members of the subsets that go through the units together. To read so long a list, 256 kB, costs as much as to fetch a
# unit of a thousand members again, for another group.
LISTED = 65_536


@compiled
def add(a, b, c):
    """Full adder: sum and carry of three bits. In this form LLVM makes it two ternary instructions."""
    return a ^ b ^ c, (a & b) | (c & (a | b))


@compiled
def add_two(words, first, second, one):
    """Add two planes to the ones: ones, and carry for the twos."""
    return add(one, load(words, first), load(words, second))


@compiled
def add_four(words, at, members, i, one, two):
    """Add four planes to ones and twos: ones, twos, and carry for the fours."""
    one, first = add_two(words, at + members[i], at + members[i + 1], one)
    one, second = add_two(words, at + members[i + 2], at + members[i + 3], one)
    two, carry = add(two, first, second)
    return one, two, carry


@compiled
def add_eight(words, at, members, i, one, two, four):
    """Add eight planes: ones, twos, fours, and carry for the eights."""
    one, two, first = add_four(words, at, members, i, one, two)
    one, two, second = add_four(words, at, members, i + 4, one, two)
    four, carry = add(four, first, second)
    return one, two, four, carry


@compiled
def count_votes(words, at, members, n, counter, n_bits):
    """Votes of ``members[:n]`` in the slot that begins at ``words[at]``, as ``n_bits`` `Bits` in ``counter``.

    What is left over from the division by sixteen comes first: as long as the counter is small, nothing overflows.
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
    """`Bits` that a counter up to ``most`` needs, and at least those that `count_votes` writes."""
    bits = LOW_BITS
    while most >> bits:
        bits += 1
    return bits


@compiled
def beats(truth, rival, loses):
    """One step of a comparison, from the lowest bit up: where two bits differ, they decide so far."""
    return (rival & ~truth) | (loses & ~(rival ^ truth))


@compiled
def list_members(subset, members):
    """Write where the planes of the members of a subset lie in a slot; return how many they are."""
    n = 0
    for member in range(subset.size):
        members[n] = member * WORDS  # not in a branch: no processor guesses it
        n += subset[member]
    return n


@compiled
def room_for_group(subsets):
    """Room for `list_group`: for members, and for where those of each subset begin."""
    n_subsets, n_members = subsets.shape
    return np.empty(min(LISTED, subsets.size) + n_members, np.int32), np.empty(n_subsets + 1, np.int64)


@compiled
def list_group(subsets, start, members, begins):
    """List the members of the subsets from ``start`` on that go through the units together; return where these end.

    Those of subset i get the places from ``begins[i]`` to ``begins[i + 1] - 1``.
    """
    begins[start] = 0
    end = start
    while end < subsets.shape[0] and begins[end] < LISTED:
        begins[end + 1] = begins[end] + list_members(subsets[end], members[begins[end] :])
        end += 1
    return end


@compiled
def worth_fetching(n_listed, n_members, unit, last):
    """Whether there is a next unit, and a group is large enough to need most of it."""
    return unit + 1 < last and n_listed >= n_members


@compiled
def fetch(words, at, end, n_parts):
    """Have the first of so many parts of ``words[at:end]`` fetched from memory, without waiting; return its end.

    A group reads a unit in no order, which is slow where it does not lie in the cache. So while each subset is counted
    in one unit, part of the next is fetched.
    """
    if at < end:
        part_end = at + (end - at) // n_parts
        while at < part_end:
            fetch_plane(words, at)
            at += WORDS
    return at


@compiled
def live_slots(leads, first_slot, unit, left_out):
    """Slots of a unit, the truth's among them, that can still decide when at most so many are left out."""
    slot = first_slot[unit] + 1
    while slot < first_slot[unit + 1] and left_out >= leads[slot]:
        slot += 1
    return slot - first_slot[unit]


@compiled
def wrong_samples(words, ties, leads, first, last, n_members, members, size, truth, rival):
    """Samples on which ``members[:size]`` are wrong, of the unit with slots ``first`` to ``last - 1``.

    ``truth`` and ``rival`` are room for two counters.
    """
    n_bits = counter_bits(size)
    count_votes(words, first * n_members * WORDS, members, size, truth, n_bits)
    wrong = zero()
    for slot in range(first + 1, last):
        if n_members - size < leads[slot]:  # nor can the weaker rivals that follow
            break
        count_votes(words, slot * n_members * WORDS, members, size, rival, n_bits)
        loses = load(ties, slot * WORDS)
        for bit in range(0, n_bits * WORDS, WORDS):
            loses = beats(load(truth, bit), load(rival, bit), loses)
        wrong = wrong | loses
    return wrong


@compiled
def count_errors(words, ties, leads, first_slot, closest, lost, first, last, subsets):
    """Samples of units ``first`` to ``last - 1`` that each subset gets wrong: int64, (n_subsets,).

    Leaving out a member moves the lead of the truth over a rival by one at most. So where fewer are left out than the
    lead that the whole pool gives, the outcome is the whole pool's.
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
        most_left_out = n_members - np.diff(begins[start : end + 1]).min()
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
    """Samples of each group that each subset gets wrong, of units ``first`` to ``last - 1``: (n_subsets, n_groups).

    ``groups`` are those of the samples, in the order of the planes. Only the wrong samples are looked at one by one.
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
        most_left_out = n_members - np.diff(begins[start : end + 1]).min()
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
