"""All compiled functions: plain contiguous arrays in, integers out, no checks.

One file, because numba's cache does not notice a change in a function of another file. Inner loops run over slices from
their start: with offsets inside the index, numba's test for negative indices keeps LLVM from using vectors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function that releases the GIL, and keep the machine code on disk where a folder can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no place for its cache: compile anew in every process
        return njit(nogil=True)(function)


def stored() -> bool:
    """Whether compiled code is kept on disk, so that only the first process waits for it."""
    return count_errors.stats.cache_path is not None


@intrinsic  # type: ignore[untyped-decorator]
def popcount(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a uint64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


# --- Laying out the planes ------------------------------------------------------------------------------------------


@compiled
def count_rivals(labels, truth, n_classes):
    """How many wrong classes are named per sample, and whether the truth is: int32 (n_samples,), bool (n_samples,)."""
    n_members, n_samples = labels.shape
    rivals = np.zeros(n_samples, np.int32)
    named = np.zeros(n_samples, np.bool_)
    seen = np.full(n_classes, -1, np.int64)
    for sample in range(n_samples):
        for member in range(n_members):
            label = labels[member, sample]
            if seen[label] != sample:
                seen[label] = sample
                if label == truth[sample]:
                    named[sample] = True
                else:
                    rivals[sample] += 1
    return rivals, named


@compiled
def fill_planes(words, block_start, block_rows, first_word, slot_first, slot_start, order, labels, truth, n_classes):
    """Set the bits of all members, and of the tie row, in planes that are all zero."""
    n_members = labels.shape[0]
    slot_of = np.zeros(n_classes, np.int64)
    seen = np.full(n_classes, -1, np.int64)
    block = 0
    for place in range(order.size):
        sample = order[place]
        word = place // 64
        while word >= first_word[block + 1]:
            block += 1
        bit = np.uint64(1) << np.uint64(place % 64)
        column = block_start[block] + word - first_word[block]
        true_class = truth[sample]
        seen[true_class] = place
        slot_of[true_class] = 0
        n_slots = 1
        for member in range(n_members):
            label = labels[member, sample]
            if seen[label] != place:
                seen[label] = place
                slot_of[label] = n_slots
                if label < true_class:  # this rival wins a tie
                    tie = column + (n_members + 1) * block_rows[block] + slot_start[slot_first[block] + n_slots]
                    words[tie] |= bit
                n_slots += 1
            offset = slot_start[slot_first[block] + slot_of[label]]
            words[column + member * block_rows[block] + offset] |= bit


# --- Counting -------------------------------------------------------------------------------------------------------


@compiled
def add(a, b, c):
    """Full adder on 64 samples: sum and carry of three bits. In this form LLVM makes it two ternary instructions."""
    return a ^ b ^ c, (a & b) | (c & (a | b))


@compiled
def add_eight(p0, p1, p2, p3, p4, p5, p6, p7, ones, twos, fours, carry):
    """Add eight planes to the three lowest counter planes; what overflows is left in ``carry``."""
    for w in range(carry.size):
        one, two0 = add(ones[w], p0[w], p1[w])
        one, two1 = add(one, p2[w], p3[w])
        two, four0 = add(twos[w], two0, two1)
        one, two0 = add(one, p4[w], p5[w])
        one, two1 = add(one, p6[w], p7[w])
        two, four1 = add(two, two0, two1)
        four, eight = add(fours[w], four0, four1)
        ones[w], twos[w], fours[w], carry[w] = one, two, four, eight


@compiled
def add_sixteen(p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, pa, pb, pc, pd, pe, pf, ones, twos, fours, eights, carry):
    """Add sixteen planes to the four lowest counter planes; what overflows is left in ``carry``."""
    for w in range(carry.size):
        one, two0 = add(ones[w], p0[w], p1[w])
        one, two1 = add(one, p2[w], p3[w])
        two, four0 = add(twos[w], two0, two1)
        one, two0 = add(one, p4[w], p5[w])
        one, two1 = add(one, p6[w], p7[w])
        two, four1 = add(two, two0, two1)
        four, eight0 = add(fours[w], four0, four1)
        one, two0 = add(one, p8[w], p9[w])
        one, two1 = add(one, pa[w], pb[w])
        two, four0 = add(two, two0, two1)
        one, two0 = add(one, pc[w], pd[w])
        one, two1 = add(one, pe[w], pf[w])
        two, four1 = add(two, two0, two1)
        four, eight1 = add(four, four0, four1)
        eight, sixteen = add(eights[w], eight0, eight1)
        ones[w], twos[w], fours[w], eights[w], carry[w] = one, two, four, eight, sixteen


@compiled
def add_carry(counter, carry):
    """Add ``carry`` to one counter plane; what overflows replaces it."""
    for w in range(carry.size):
        overflow = counter[w] & carry[w]
        counter[w] ^= carry[w]
        carry[w] = overflow


@compiled
def plane(words, width, members, i):
    """Row of one member in a block."""
    return words[members[i] * width :][:width]


@compiled
def count_members(words, width, members, n, counters, carry):
    """Fill counter planes (n_bits, width) with the votes of some members, for all slots of one block at once.

    ``words`` starts at the block. ``members[:n]`` vote; what follows names the empty row, and fills up the last group.
    """
    counters[:] = 0
    i = 0
    while i < n:
        if n - i > 8:
            add_sixteen(
                plane(words, width, members, i), plane(words, width, members, i + 1),
                plane(words, width, members, i + 2), plane(words, width, members, i + 3),
                plane(words, width, members, i + 4), plane(words, width, members, i + 5),
                plane(words, width, members, i + 6), plane(words, width, members, i + 7),
                plane(words, width, members, i + 8), plane(words, width, members, i + 9),
                plane(words, width, members, i + 10), plane(words, width, members, i + 11),
                plane(words, width, members, i + 12), plane(words, width, members, i + 13),
                plane(words, width, members, i + 14), plane(words, width, members, i + 15),
                counters[0], counters[1], counters[2], counters[3], carry,
            )  # fmt: skip
            i += 16
            bit = 4
        else:
            add_eight(
                plane(words, width, members, i), plane(words, width, members, i + 1),
                plane(words, width, members, i + 2), plane(words, width, members, i + 3),
                plane(words, width, members, i + 4), plane(words, width, members, i + 5),
                plane(words, width, members, i + 6), plane(words, width, members, i + 7),
                counters[0], counters[1], counters[2], carry,
            )  # fmt: skip
            i += 8
            bit = 3
        while bit < counters.shape[0]:
            add_carry(counters[bit], carry)
            bit += 1


@compiled
def compare_bit(truth, rival, loses):
    """One step of the comparison, from the lowest bit up: where the bits differ, they decide so far."""
    for w in range(loses.size):
        loses[w] = (rival[w] & ~truth[w]) | (loses[w] & ~(rival[w] ^ truth[w]))


@compiled
def join(wrong, loses):
    """A sample is wrong as soon as one rival beats the truth."""
    for w in range(loses.size):
        wrong[w] |= loses[w]


@compiled
def total_popcount(words):
    """Number of bits that are set."""
    total = np.uint64(0)
    for w in range(words.size):
        total += popcount(words[w])
    return np.int64(total)


@compiled
def list_members(subset, members):
    """Write the indices of the members of a subset, then that of the empty row to the end; return how many they are."""
    members[:] = subset.size
    n = 0
    for member in range(subset.size):
        if subset[member]:
            members[n] = member
            n += 1
    return n


@compiled
def counter_bits(most):
    """Planes that a counter up to ``most`` needs, and at least the four that `add_sixteen` writes."""
    bits = 4
    while most >> bits:
        bits += 1
    return bits


@compiled
def count_errors(words, block_start, block_rows, slot_first, slot_start, subsets):
    """Samples that each subset gets wrong, among those in the planes: int64, (n_subsets,).

    Slot 0 of a row is the truth, slots 1, 2, ... are rivals; slot d covers the first samples of its block, those that
    have so many rivals.
    """
    n_subsets, n_members = subsets.shape
    errors = np.zeros(n_subsets, np.int64)
    widest = block_rows.max() if block_rows.size else 0
    counter_space = np.empty(counter_bits(n_members) * widest, np.uint64)
    carry_space = np.empty(widest, np.uint64)
    wrong_space = np.empty(widest, np.uint64)
    loses_space = np.empty(widest, np.uint64)
    members = np.empty(n_members + 16, np.int64)
    for block in range(block_rows.size):
        row = block_rows[block]
        block_words = words[block_start[block] : block_start[block + 1]]
        ties = block_words[(n_members + 1) * row :]
        carry = carry_space[:row]
        for subset in range(n_subsets):
            n = list_members(subsets[subset], members)
            n_bits = counter_bits(n)
            counters = counter_space[: n_bits * row].reshape(n_bits, row)
            count_members(block_words, row, members, n, counters, carry)
            first = slot_first[block]
            wrong = wrong_space[: slot_start[first + 1]]
            wrong[:] = 0
            for slot in range(first + 1, slot_first[block + 1] - 1):
                start, end = slot_start[slot], slot_start[slot + 1]
                loses = loses_space[: end - start]
                loses[:] = ties[start:end]
                for bit in range(n_bits):
                    compare_bit(counters[bit], counters[bit, start:end], loses)
                join(wrong, loses)
            errors[subset] += total_popcount(wrong)
    return errors


@compiled
def neighbour_errors(words, block_start, block_rows, slot_first, slot_start, subset):
    """Samples in the planes that go wrong when one member is added to, or taken from, a subset: int64, (n_members,).

    A member moves every margin by one: up against all rivals where it names the truth, down against the one rival that
    it names elsewhere. So two tables per block say for each (sample, slot) whether a vote more, or less, in that slot
    leaves the sample wrong, and every neighbour costs one AND and one population count over its own row.
    """
    n_members = subset.size
    errors = np.zeros(n_members, np.int64)
    members = np.empty(n_members + 16, np.int64)
    n = list_members(subset, members)
    n_bits = counter_bits(n + 1)  # one vote more must fit
    for block in range(block_rows.size):
        row = block_rows[block]
        block_words = words[block_start[block] : block_start[block + 1]]
        ties = block_words[(n_members + 1) * row :]
        carry = np.empty(row, np.uint64)
        counters = np.empty((n_bits, row), np.uint64)
        count_members(block_words, row, members, n, counters, carry)
        raised = counters.copy()
        carry[:] = ~np.uint64(0)
        for bit in range(n_bits):
            add_carry(raised[bit], carry)
        added, removed = np.zeros(row, np.uint64), np.zeros(row, np.uint64)
        level = np.zeros(row, np.uint64)
        first = slot_first[block]
        n_truth = slot_start[first + 1]
        beaten, twice = np.zeros(n_truth, np.uint64), np.zeros(n_truth, np.uint64)
        for slot in range(first + 1, slot_first[block + 1] - 1):
            start, end = slot_start[slot], slot_start[slot + 1]
            up, down, same = removed[start:end], added[start:end], level[start:end]
            up[:] = ties[start:end]
            down[:] = ties[start:end]
            same[:] = ties[start:end]
            for bit in range(n_bits):
                compare_bit(raised[bit], counters[bit, start:end], up)
                compare_bit(counters[bit], raised[bit, start:end], down)
                compare_bit(counters[bit], counters[bit, start:end], same)
            for w in range(end - start):
                twice[w] |= beaten[w] & same[w]
                beaten[w] |= same[w]
                # Here the truth gains or loses a vote, so that the margin against every rival moves.
                added[w] |= up[w]
                removed[w] |= down[w]
        for slot in range(first + 1, slot_first[block + 1] - 1):
            start = slot_start[slot]
            for w in range(slot_start[slot + 1] - start):
                others = twice[w] | (beaten[w] & ~level[start + w])
                added[start + w] |= others
                removed[start + w] |= others
        for member in range(n_members):
            table = removed if subset[member] else added
            votes = block_words[member * row :][:row]
            total = np.uint64(0)
            for w in range(row):
                total += popcount(votes[w] & table[w])
            errors[member] += np.int64(total)
    return errors


@compiled
def winners(labels, subsets, n_classes, out):
    """Label with the most votes for each subset and sample, ties to the lowest, written to (n_subsets, n_samples)."""
    n_members, n_samples = labels.shape
    counts = np.zeros(n_classes, np.int64)
    for subset in range(subsets.shape[0]):
        for sample in range(n_samples):
            best, most = 0, 0
            for member in range(n_members):
                if subsets[subset, member]:
                    label = labels[member, sample]
                    counts[label] += 1
                    if counts[label] > most or (counts[label] == most and label < best):
                        best, most = np.int64(label), counts[label]
            out[subset, sample] = best
            for member in range(n_members):
                if subsets[subset, member]:
                    counts[labels[member, sample]] = 0
