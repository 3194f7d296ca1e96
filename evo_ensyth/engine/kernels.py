"""Compiled functions that count votes: plain contiguous arrays in, integers out, no checks.

One file, because numba's cache does not notice a change in a function of another file. `Bits` is what they compute in:
512 samples at once, as one value that LLVM keeps in the widest registers that the processor has. numba has no such type
of its own, and left to vectorise loops over words, LLVM moves every intermediate counter through memory.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

WORDS = 8  # of 64 samples each, in one `Bits`
UNIT = 64 * WORDS
LOW_BITS = 4  # of a counter: those that are kept in registers
# Members of the subsets that go through the units together. To read so long a list, 256 kB, costs as much as to fetch a
# unit of a thousand members again, for another group.
LISTED = 65_536
FINE = 2.0**32  # to so fine a fraction shares and losses are rounded before they are added
# A walk looks at all members every REST steps; in between, not at those with less than exp(-HOPELESS) of a chance.
HOPELESS, REST = 5.0, 32
LEAST_SHARE = 2.0**-16  # of the truth in a log loss: scores are rounded to this, so that what is less may be nothing


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
def bits_set(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a uint64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


# --- 512 samples as one value ---------------------------------------------------------------------------------------

_VECTOR = ir.VectorType(ir.IntType(64), WORDS)
READ, SECOND_CACHE, DATA = 0, 2, 1  # what LLVM's prefetch calls them


class Bits(types.Type):  # type: ignore[misc]
    """One bit for each of 512 samples; knows ``&``, ``|``, ``^`` and ``~``."""


_BITS = Bits("Bits")


@register_model(Bits)
class _BitsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _define(operation: Callable[..., Any], instruction: str, n_operands: int) -> None:
    def typer(context: Any) -> Any:
        if n_operands == 1:
            return lambda a: _BITS if a == _BITS else None
        return lambda a, b: _BITS if a == b == _BITS else None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)

    type_callable(operation)(typer)
    lower_builtin(operation, *[Bits] * n_operands)(code)


_define(operator.and_, "and_", 2)
_define(operator.or_, "or_", 2)
_define(operator.xor, "xor", 2)
_define(operator.invert, "not_", 1)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _VECTOR.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def load(typing_context: Any, words: Any, index: Any) -> Any:
    """Read eight words from ``words[index]`` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature, arguments))
        value.align = 8
        return value

    return _BITS(words, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def store(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Write eight words from ``words[index]`` on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, signature, arguments)).align = 8
        return context.get_dummy_value()

    return types.void(words, types.int64, _BITS), code


@intrinsic  # type: ignore[untyped-decorator]
def fetch_plane(typing_context: Any, words: Any, index: Any) -> Any:
    """Have eight words from ``words[index]`` on brought into the processor's second cache, and do not wait for them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, choice = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, choice, choice, choice])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, signature, arguments), byte)
        builder.call(instruction, [address, choice(READ), choice(SECOND_CACHE), choice(DATA)])
        return context.get_dummy_value()

    return types.void(words, types.int64), code


@intrinsic  # type: ignore[untyped-decorator]
def zero(typing_context: Any) -> Any:
    """No sample."""
    return _BITS(), lambda context, builder, signature, arguments: ir.Constant(_VECTOR, [0] * WORDS)


@intrinsic  # type: ignore[untyped-decorator]
def popcount(typing_context: Any, samples: Any) -> Any:
    """Count the bits that are set."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        each = ir.FunctionType(_VECTOR, [_VECTOR])
        both = ir.FunctionType(ir.IntType(64), [_VECTOR])
        ones = cgutils.get_or_insert_function(builder.module, each, f"llvm.ctpop.v{WORDS}i64")
        total = cgutils.get_or_insert_function(builder.module, both, f"llvm.vector.reduce.add.v{WORDS}i64")
        return builder.call(total, [builder.call(ones, arguments)])

    return types.int64(_BITS), code


@compiled
def room(n):
    """Room for ``n`` `Bits` that starts on a line of the processor's cache: reading across two costs twice as much."""
    words = np.empty((n + 1) * WORDS, np.uint64)
    start = (-(words.ctypes.data // 8)) % WORDS
    return words[start : start + n * WORDS]


# --- Laying out the planes ------------------------------------------------------------------------------------------


@compiled
def gather(labels, samples, columns):
    """Copy the labels of up to 64 samples to ``columns`` (64, n_members), so that a sample's labels lie together."""
    for member in range(labels.shape[0]):
        for i in range(samples.size):
            columns[i, member] = labels[member, samples[i]]


@compiled
def tally(labels, counts, named):
    """Count the labels of one sample in ``counts``, all zero before; list in ``named`` those seen, return how many."""
    n = 0
    for label in labels:
        if counts[label] == 0:
            named[n] = label
            n += 1
        counts[label] += 1
    return n


@compiled
def count_rivals(labels, truth, n_classes):
    """Per sample: the pool's votes for the truth and for the strongest rival, number of rivals; int32, (n_samples,)."""
    n_members, n_samples = labels.shape
    for_truth, for_rival = np.zeros(n_samples, np.int32), np.zeros(n_samples, np.int32)
    n_rivals = np.zeros(n_samples, np.int32)
    columns = np.empty((64, n_members), labels.dtype)
    counts = np.zeros(n_classes, np.int32)
    named = np.empty(n_members, np.int64)
    for start in range(0, n_samples, 64):
        samples = np.arange(start, min(start + 64, n_samples))
        gather(labels, samples, columns)
        for i in range(samples.size):
            sample = samples[i]
            n = tally(columns[i], counts, named)
            for label in named[:n]:
                if label == truth[sample]:
                    for_truth[sample] = counts[label]
                else:
                    for_rival[sample] = max(for_rival[sample], counts[label])
                    n_rivals[sample] += 1
                counts[label] = 0
    return for_truth, for_rival, n_rivals


@compiled
def fill_planes(words, ties, leads, first_slot, order, labels, truth, n_classes):
    """Set the bits of all members and of the ties, in planes that are all zero, and lower ``leads`` to what they are.

    The rivals of a sample take its slots from the strongest to the weakest; ``order`` says which sample goes where.
    """
    n_members = labels.shape[0]
    columns = np.empty((64, n_members), labels.dtype)
    counts = np.zeros(n_classes, np.int32)
    named = np.empty(n_members, np.int64)
    slot_of = np.empty(n_classes, np.int64)
    below = np.empty(n_members + 1, np.int64)
    for start in range(0, order.size, 64):
        samples = order[start : start + 64]
        gather(labels, samples, columns)
        first = first_slot[start // UNIT]
        word = start // 64 % WORDS
        for i in range(samples.size):
            bit = np.uint64(1) << np.uint64(i)
            true_class = truth[samples[i]]
            n = tally(columns[i], counts, named)
            for_truth = counts[true_class]
            # Sorted by counting: how many rivals have so many votes, then where those begin.
            below[:] = 0
            for label in named[:n]:
                if label != true_class:
                    below[counts[label]] += 1
            slot = first + 1
            for votes in range(n_members, 0, -1):
                begin = slot
                slot += below[votes]
                below[votes] = begin
            slot_of[true_class] = first
            for label in named[:n]:
                if label != true_class:
                    slot = below[counts[label]]
                    below[counts[label]] += 1
                    slot_of[label] = slot
                    leads[slot] = min(leads[slot], for_truth - counts[label])
                    if label < true_class:  # this rival wins a tie
                        ties[slot * WORDS + word] |= bit
            for label in named[:n]:
                counts[label] = 0
            for member in range(n_members):
                words[(slot_of[columns[i, member]] * n_members + member) * WORDS + word] |= bit


# --- Counting -------------------------------------------------------------------------------------------------------


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


# --- Neighbours -----------------------------------------------------------------------------------------------------


@compiled
def tabulate(counters, at, ties, slot_0, n_slots, n_bits, joining, leaving, level):
    """What one vote more, or less, in each slot would make of the samples; return those wrong as it is.

    ``counters`` holds the votes for all slots of a unit, from ``at`` on. A vote moves margins by one: for the truth up
    against all rivals, for a rival down against this one. ``joining`` and ``leaving`` get the samples that are wrong
    once somebody who names the slot has joined, or left; ``level`` is room for as many.
    """
    step = n_bits * WORDS
    beaten, twice = zero(), zero()
    join_truth, leave_truth = zero(), zero()
    for slot in range(1, n_slots):
        tie = load(ties, (slot_0 + slot) * WORDS)
        up, down, same = tie, tie, tie
        truth_carry, rival_carry = ~zero(), ~zero()
        for bit in range(0, step, WORDS):
            truth, rival = load(counters, at + bit), load(counters, at + slot * step + bit)
            truth_up, truth_carry = truth ^ truth_carry, truth & truth_carry
            rival_up, rival_carry = rival ^ rival_carry, rival & rival_carry
            up = beats(truth_up, rival, up)
            down = beats(truth, rival_up, down)
            same = beats(truth, rival, same)
        store(leaving, slot * WORDS, up)
        store(joining, slot * WORDS, down)
        store(level, slot * WORDS, same)
        twice = twice | (beaten & same)
        beaten = beaten | same
        join_truth = join_truth | up
        leave_truth = leave_truth | down
    for slot in range(WORDS, n_slots * WORDS, WORDS):
        others = twice | (beaten & ~load(level, slot))
        store(joining, slot, load(joining, slot) | others)
        store(leaving, slot, load(leaving, slot) | others)
    store(joining, 0, join_truth)
    store(leaving, 0, leave_truth)
    return beaten


@compiled
def wrong_with(words, at, stride, n_slots, table, wrong):
    """Number of samples that are wrong when one member moves: the table's, where it names a slot that counts."""
    for slot in range(n_slots):
        votes = load(words, at + slot * stride)
        wrong = (votes & load(table, slot * WORDS)) | (wrong & ~votes)
    return popcount(wrong)


@compiled
def room_for_tables(first_slot, n_bits):
    """Room for the counters of a unit, and for the three tables made of them."""
    n_slots = np.diff(first_slot).max() if first_slot.size > 1 else 0
    return room(n_slots * n_bits), room(n_slots), room(n_slots), room(n_slots)


@compiled
def count_slots(words, at, stride, n_slots, members, counters, n_bits):
    """Count the votes for each of ``n_slots`` slots, the first of which begins at ``at``."""
    for slot in range(n_slots):
        count_votes(words, at + slot * stride, members, members.size, counters[slot * n_bits * WORDS :], n_bits)


@compiled
def neighbour_errors(
    words, ties, leads, first_slot, closest, lost, first, last, members, left_out, movers, leaves, n_members
):
    """Errors of units ``first`` to ``last - 1`` once each mover has joined, or left if it ``leaves``: (n_movers,).

    ``members`` vote; they and the ``movers`` are places in a slot. One may stand there several times. No neighbour
    leaves out more than ``left_out``. A mover costs one pass over its own planes, through tables that say what each
    vote would change.
    """
    errors = np.zeros(movers.size, np.int64)
    n_bits = counter_bits(members.size + 1)  # one vote more must fit
    stride = n_members * WORDS
    counters, joining, leaving, level = room_for_tables(first_slot, n_bits)
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        wrong = tabulate(counters, 0, ties, slot_0, n_slots, n_bits, joining, leaving, level)
        for i in range(movers.size):
            table = leaving if leaves[i] else joining
            errors[i] += wrong_with(words, slot_0 * stride + movers[i], stride, n_slots, table, wrong)
    return errors


@compiled
def swap_errors(words, ties, leads, first_slot, closest, lost, first, last, members, left_out, joiners, n_members):
    """Errors of units ``first`` to ``last - 1`` once a member has made room for a joiner: (n of them, n_joiners).

    The votes are counted once; then each member's are taken off again, and what any joiner would bring is tabulated.
    """
    errors = np.zeros((members.size, joiners.size), np.int64)
    n_bits = counter_bits(members.size + 1)
    step = n_bits * WORDS
    stride = n_members * WORDS
    counters, joining, leaving, level = room_for_tables(first_slot, n_bits)
    fewer = room(counters.size // WORDS)
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        for i in range(members.size):
            for slot in range(n_slots):
                borrow = load(words, (slot_0 + slot) * stride + members[i])
                for bit in range(slot * step, (slot + 1) * step, WORDS):
                    before = load(counters, bit)
                    store(fewer, bit, before ^ borrow)
                    borrow = borrow & ~before
            wrong = tabulate(fewer, 0, ties, slot_0, n_slots, n_bits, joining, leaving, level)
            for j in range(joiners.size):
                errors[i, j] += wrong_with(words, slot_0 * stride + joiners[j], stride, n_slots, joining, wrong)
    return errors


@compiled
def drawn(values, temperature, chance):
    """Draw a place from the Boltzmann distribution of some values, one at least finite, by a ``chance`` in [0, 1)."""
    lowest = values.min()
    shares = np.empty(values.size)
    total = 0.0
    for i in range(values.size):
        total += math.exp((lowest - values[i]) / temperature)
        shares[i] = total
    return min(np.searchsorted(shares, chance * total, side="right"), values.size - 1)


@compiled
def move(words, at, stride, n_slots, joins, counters, first, n_bits):
    """Add the votes of a member to the counters of ``n_slots`` slots, from ``first`` on, or take them off."""
    for slot in range(n_slots):
        carry = load(words, at + slot * stride)
        for bit in range(first + slot * n_bits * WORDS, first + (slot + 1) * n_bits * WORDS, WORDS):
            before = load(counters, bit)
            store(counters, bit, before ^ carry)
            carry = carry & before if joins else carry & ~before


@compiled
def moves_to_a_tie(counters, at, ties, slot_0, n_slots, n_bits):
    """After so many moves at least, one more may change whether some sample of a unit is wrong; a power of two.

    A move shifts a margin by one. So after fewer than k moves, the next one changes nothing where k votes more for the
    truth, or for any rival, leave all samples as they are.
    """
    step = n_bits * WORDS
    for doubling in range(1, n_bits):
        if_up, if_down = zero(), zero()
        for slot in range(1, n_slots):
            tie = load(ties, (slot_0 + slot) * WORDS)
            up, down = tie, tie
            truth_carry, rival_carry = zero(), zero()
            for bit in range(n_bits):
                if bit == doubling:
                    truth_carry, rival_carry = ~zero(), ~zero()
                truth, rival = load(counters, at + bit * WORDS), load(counters, at + slot * step + bit * WORDS)
                truth_up, truth_carry = truth ^ truth_carry, truth & truth_carry
                rival_up, rival_carry = rival ^ rival_carry, rival & rival_carry
                up = beats(truth_up, rival, up)
                down = beats(truth, rival_up, down)
            if_up = if_up | (up & ~truth_carry)
            if_down = if_down | down | rival_carry
        if popcount(if_up ^ if_down) != 0:
            return 1 << (doubling - 1)
    return 1 << (n_bits - 1)


@compiled
def wander(
    words, ties, leads, first_slot, closest, lost, n_samples, subset, penalty, temperature, chances, most, lowest,
    reached,
):  # fmt: skip
    """Let one member after the other join or leave ``subset``, each drawn from what all would make of the error.

    ``penalty``, by size, is added to the error rate; infinite for sizes that are out of bounds. Every `REST` steps all
    members are looked at; in between, no longer those who had less than ``exp(-HOPELESS)`` of the chance of the best
    who could join, or leave, like them. A step for each of the ``chances``, as long as ``most`` neighbours suffice. The
    fewest errors met at each size within bounds go to ``lowest``, the smallest size first, and who makes them to
    ``reached``. Returns the number of steps and of neighbours, and the standard deviation of the error rates once a
    member has left, summed over the steps that looked at all.
    """
    n_members, n_units = subset.size, closest.size
    stride = n_members * WORDS
    sizes = np.flatnonzero(np.isfinite(penalty))
    left_out = n_members - sizes[0] + 1
    n_bits = counter_bits(sizes[-1] + 1)
    # The votes of all slots that count are counted once, and kept. A unit catches up on moves when it is due: while no
    # sample is near a tie, its errors stay as they are.
    counters = room(first_slot[n_units] * n_bits)
    n_slots = np.zeros(n_units, np.int64)
    errors_of = lost.copy()
    due, counted_at = np.zeros(n_units, np.int64), np.zeros(n_units, np.int64)
    moved, joined = np.empty(chances.size, np.int64), np.empty(chances.size, np.bool_)
    members = np.flatnonzero(subset)
    for unit in range(n_units):
        if left_out < closest[unit]:
            due[unit] = chances.size
        else:
            slot_0 = first_slot[unit]
            n_slots[unit] = live_slots(leads, first_slot, unit, left_out)
            of_unit = counters[slot_0 * n_bits * WORDS :]
            count_slots(words, slot_0 * stride, stride, n_slots[unit], members * WORDS, of_unit, n_bits)
    size = members.size
    _, joining, leaving, level = room_for_tables(first_slot, n_bits)
    everybody = np.arange(n_members)
    movers, errors = everybody.copy(), np.empty(n_members, np.int64)
    values = np.empty(n_members)
    n = n_members
    counted, deviations = np.int64(0), 0.0
    for step in range(chances.size):
        all_move = step % REST == 0
        if all_move:
            n = n_members
            movers[:] = everybody
        if counted + n > most:
            return step, counted, deviations
        counted += n
        errors[:n] = 0
        settled = np.int64(0)
        for unit in range(n_units):
            if due[unit] > step:
                settled += errors_of[unit]
                continue
            slot_0, slots = first_slot[unit], n_slots[unit]
            at, first = slot_0 * stride, slot_0 * n_bits * WORDS
            for past in range(counted_at[unit], step):
                move(words, at + moved[past] * WORDS, stride, slots, joined[past], counters, first, n_bits)
            counted_at[unit] = step
            wrong = tabulate(counters, first, ties, slot_0, slots, n_bits, joining, leaving, level)
            if popcount(load(joining, 0) ^ load(leaving, 0)) == 0:
                errors_of[unit] = popcount(wrong)
                settled += errors_of[unit]
                due[unit] = step + moves_to_a_tie(counters, first, ties, slot_0, slots, n_bits)
                continue
            for i in range(n):
                table = leaving if subset[movers[i]] else joining
                errors[i] += wrong_with(words, at + movers[i] * WORDS, stride, slots, table, wrong)
        fewest_leaving, fewest_joining = n_samples, n_samples
        n_leaving, mean, squares = 0, 0.0, 0.0
        for i in range(n):
            errors[i] += settled
            value = errors[i] / n_samples
            leaves = subset[movers[i]]
            size_then = size - 1 if leaves else size + 1
            values[i] = value + penalty[size_then]
            place = size_then - sizes[0]
            if 0 <= place < sizes.size and errors[i] < lowest[place]:
                lowest[place] = errors[i]
                reached[place] = subset
                reached[place, movers[i]] = not leaves
            if leaves:
                fewest_leaving = min(fewest_leaving, errors[i])
            else:
                fewest_joining = min(fewest_joining, errors[i])
            if all_move and leaves:
                n_leaving += 1
                deviation = value - mean
                mean += deviation / n_leaving
                squares += deviation * (value - mean)
        deviations += math.sqrt(squares / max(n_leaving, 1))
        chosen = drawn(values[:n], temperature, chances[step])
        member, joins = movers[chosen], not subset[movers[chosen]]
        hope = HOPELESS * temperature * n_samples
        kept = 0
        for i in range(n):
            movers[kept] = movers[i]
            fewest = fewest_leaving if subset[movers[i]] else fewest_joining
            kept += i == chosen or errors[i] <= fewest + hope
        n = kept
        subset[member] = joins
        size += 1 if joins else -1
        moved[step], joined[step] = member, joins
    return chances.size, counted, deviations


# --- Margins --------------------------------------------------------------------------------------------------------


@compiled
def choose(condition, yes, no):
    """Take each bit from one of two values."""
    return (condition & yes) | (no & ~condition)


@compiled
def split_by_value(digits, n_digits, masks, values, sizes):
    """Divide 512 samples by the number that each has, given by its digits, the lowest first; return how many there are.

    They are divided by their highest digit, then by the next; no sample, no division. ``masks``, ``values`` and
    ``sizes`` get who has each number, the number, and how many have it: room for as many as there are samples.
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
    """Replace each number by another where that is larger."""
    larger = zero()
    for bit in range(0, n_bits * WORDS, WORDS):
        larger = beats(load(most, bit), load(rival, bit), larger)
    for bit in range(0, n_bits * WORDS, WORDS):
        store(most, bit, choose(larger, load(rival, bit), load(most, bit)))


@compiled
def split_by_margin(truth, most, n_bits, digits, masks, values, sizes):
    """Divide 512 samples by their margins, truth less strongest rival; see `split_by_value`."""
    carry = ~zero()  # to subtract is to add the complement and one
    for bit in range(0, n_bits * WORDS, WORDS):
        digit, carry = add(load(truth, bit), ~load(most, bit), carry)
        store(digits, bit, digit)
    store(digits, n_bits * WORDS, carry)
    n = split_by_value(digits, n_bits + 1, masks, values, sizes)
    for part in range(n):
        values[part] -= 1 << n_bits
    return n


@compiled
def unit_margins(words, first_slot, unit, members, size, n_members, counters, masks, values, sizes):
    """Divide the samples of a unit by their margins; see `split_by_margin`. ``counters`` are room for four."""
    n_bits = counter_bits(size)
    truth, rival, most, digits = counters
    slot_0 = first_slot[unit]
    count_votes(words, slot_0 * n_members * WORDS, members, size, truth, n_bits)
    for bit in range(0, n_bits * WORDS, WORDS):
        store(most, bit, zero())
    for slot in range(slot_0 + 1, first_slot[unit + 1]):
        count_votes(words, slot * n_members * WORDS, members, size, rival, n_bits)
        raise_to(most, rival, n_bits)
    return split_by_margin(truth, most, n_bits, digits, masks, values, sizes)


@compiled
def room_for_margins(n_members):
    """Room for `unit_margins`: counters, and masks, values and sizes."""
    n = counter_bits(n_members) + 1
    return (room(n), room(n), room(n), room(n)), room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)


@compiled
def count_margins(words, first_slot, first, last, subsets):
    """How often each margin occurs in units ``first`` to ``last - 1``, room of units that is not used included.

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
                n = unit_margins(words, first_slot, unit, listed, size, n_members, counters, masks, values, counts)
                for part in range(n):
                    found[i, n_members + values[part]] += counts[part]
        start = end
    return found


@compiled
def sum_losses(words, first_slot, first, last, subsets, losses, row_of):
    """Sum over the samples of units ``first`` to ``last - 1`` of what each margin costs: int64, (n_subsets,).

    ``losses[row_of[size], n_members + d]`` is the loss for a margin of d in an ensemble of a size.
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
                row = losses[row_of[size]]
                n = unit_margins(words, first_slot, unit, listed, size, n_members, counters, masks, values, counts)
                for part in range(n):
                    sums[i] += counts[part] * row[n_members + values[part]]
        start = end
    return sums


@compiled
def mark_strongest(counters, most, n_slots, n_bits, strongest, alone):
    """Mark for each rival the samples on which nobody has more votes than it, and those on which nobody has as many."""
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
    """Sum over the samples of units ``first`` to ``last - 1`` of what margins cost once each mover has moved.

    ``members`` vote; a mover joins them, or leaves them if it ``leaves``: int64, (n_movers,). ``joined`` and ``left``,
    (2 * n_members + 1,), are the losses for every margin in ensembles of one member more, or less.

    A vote for the truth moves the margin by one; a vote for a rival only where this is a strongest one, and if it is
    taken away, where this is the only one. So a mover costs one pass over its own planes, and as many counts of bits
    as there are margins in a unit.
    """
    sums = np.zeros(movers.size, np.int64)
    size = members.size
    n_bits = counter_bits(size)
    stride = n_members * WORDS
    most_slots = np.diff(first_slot).max() if first_slot.size > 1 else 0
    counters, strongest, alone = room(most_slots * n_bits), room(most_slots), room(most_slots)
    most, digits = room(n_bits), room(n_bits + 1)
    masks, values, counts = room(UNIT), np.empty(UNIT, np.int64), np.empty(UNIT, np.int64)
    gains = np.empty((2, 2, UNIT), np.int64)  # for who joins and who leaves: of a margin that falls, and that rises
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
            # Beyond the last margin nobody moves: the whole pool has no larger one.
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


# --- Answers --------------------------------------------------------------------------------------------------------


@compiled
def predictions(labels, subsets, n_classes, out):
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


# --- Pairs of members -----------------------------------------------------------------------------------------------


@compiled
def agreements(rows):
    """Count for each pair of rows the columns in which they are equal: int64, (n_rows, n_rows)."""
    n_rows, n_columns = rows.shape
    equal = np.empty((n_rows, n_rows), np.int64)
    for first in range(n_rows):
        for second in range(first + 1):
            count = 0
            for column in range(n_columns):
                count += rows[first, column] == rows[second, column]
            equal[first, second] = equal[second, first] = count
    return equal


@compiled
def pair_sums(table, subsets):
    """Sum of ``table[i, j]`` over the pairs i > j of each subset, (n_subsets,); always added up in the same order."""
    n_subsets, n_members = subsets.shape
    sums = np.zeros(n_subsets, table.dtype)
    members = np.empty(n_members, np.int64)
    for subset in range(n_subsets):
        total = sums[subset]
        n = 0
        for member in range(n_members):
            if subsets[subset, member]:
                row = table[member]
                for i in range(n):
                    total += row[members[i]]
                members[n] = member
                n += 1
        sums[subset] = total
    return sums


# --- Sums of scores -------------------------------------------------------------------------------------------------


@compiled
def add_errors(sums, truth, errors):
    """Add to ``errors``, (n_subsets, 1), the samples on which another class beats the truth, ties to the lowest.

    ``sums`` are (n_subsets, n_samples, n_classes). All classes are looked at, as several at once are compared: that
    takes a loop without an early end, and an unsigned truth, which is no index from the end.
    """
    for subset in range(sums.shape[0]):
        wrong = 0
        for sample in range(truth.size):
            row = sums[subset, sample]
            right = np.uint64(truth[sample])
            own = row[right]
            beaten = 0
            for label in range(row.size):
                beaten += row[label] > own
            for label in range(right):
                beaten += row[label] == own
            wrong += beaten > 0
        errors[subset, 0] += wrong


@compiled
def share_of_each(row):
    """What turns the sums of one sample, (n_classes,), into shares of their total: a factor, and what is added to each.

    Where nobody gives any class a score, all have the same share.
    """
    total = 0.0
    for value in row:
        total += value
    if total > 0:
        return 1 / total, 0.0
    return 0.0, 1 / row.size


@compiled
def add_log_losses(sums, truth, losses):
    """Add to ``losses``, (n_subsets, 1), -ln of the truth's share, no less than 2^-16, in units of 2^-32."""
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            share = max(row[np.uint64(truth[sample])] * factor + more, LEAST_SHARE)
            losses[subset, 0] += np.int64(np.rint(-np.log(share) * FINE))


@compiled
def add_brier_scores(sums, truth, scores):
    """Add to ``scores``, (n_subsets, 1), squared distances of the shares from 1 for the truth, in units of 2^-32."""
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            distance = 0.0
            for label in range(row.size):
                off = row[label] * factor + more - (label == truth[sample])
                distance += off * off
            scores[subset, 0] += np.int64(np.rint(distance * FINE))


@compiled
def add_overconfidence(sums, truth, overconfidence):
    """Add what the largest shares promise more than is right, in units of 2^-32, to (n_subsets, n_bins).

    The bins are ``(0, 1 / n_bins]``, ..., ``(1 - 1 / n_bins, 1]``; a sample belongs to that of its largest share.
    """
    n_bins = overconfidence.shape[1]
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            winner = row.argmax()
            promised = np.int64(np.rint((row[winner] * factor + more) * FINE))
            if winner == truth[sample]:
                overconfidence[subset, (promised * n_bins - 1) >> 32] += promised - (1 << 32)
            else:
                overconfidence[subset, (promised * n_bins - 1) >> 32] += promised
