"""Errors of all neighbours of a subset: those reached when one member joins, leaves, or replaces another."""

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS, largest_step, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import beats, count_votes, counter_bits, live_slots


@leaf
def tabulate(counters, at, ties, slot_0, n_slots, n_bits, joining, leaving, level):
    """Tabulate the wrong samples after one vote more, or less, in each slot; return those that are wrong without it.

    ``counters`` holds the votes for all slots of a unit, starting at ``at``. A vote for the truth raises its margins
    over all rivals by one; a vote for a rival lowers the margin over this rival by one. For each slot, ``joining`` and
    ``leaving`` get the samples that are wrong after a member that votes for the slot joins, or leaves. ``level`` is
    working memory of the same size.
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


@leaf
def after_move(words, at, stride, n_slots, table, wrong):
    """Samples that are wrong after one member moves: the table's where it votes for a live slot, else as before."""
    for slot in range(n_slots):
        votes = load(words, at + slot * stride)
        wrong = (votes & load(table, slot * WORDS)) | (wrong & ~votes)
    return wrong


@compiled
def room_for_tables(first_slot, n_bits):
    """Allocate the counters of a unit and the three tables made from them."""
    n_slots = largest_step(first_slot)
    return room(n_slots * n_bits), room(n_slots), room(n_slots), room(n_slots)


@leaf
def count_slots(words, at, stride, n_slots, members, counters, n_bits):
    """Count the votes for each of ``n_slots`` slots, the first of which starts at ``at``."""
    for slot in range(n_slots):
        count_votes(words, at + slot * stride, members, members.size, counters[slot * n_bits * WORDS :], n_bits)


@leaf
def take_away(words, at, stride, n_slots, counters, n_bits, fewer):
    """Write the votes for each slot without those of the member whose planes begin at ``at``."""
    for slot in range(n_slots):
        borrow = load(words, at + slot * stride)
        for bit in range(slot * n_bits * WORDS, (slot + 1) * n_bits * WORDS, WORDS):
            before = load(counters, bit)
            store(fewer, bit, before ^ borrow)
            borrow = borrow & ~before


@compiled
def neighbour_errors(
    words, ties, leads, first_slot, closest, lost, first, last, members, left_out, movers, leaves, n_members
):
    """Errors in units ``first`` to ``last - 1`` after each mover joins, or leaves if ``leaves`` says so: (n_movers,).

    ``members`` vote; they and the ``movers`` are offsets in a slot, and the same one may occur several times. No
    neighbour leaves out more than ``left_out`` members. A mover costs one pass over its own planes, with tables of what
    each vote would change.
    """
    errors = np.zeros(movers.size, np.int64)
    n_bits = counter_bits(members.size + 1)  # space for one more vote
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
            errors[i] += popcount(after_move(words, slot_0 * stride + movers[i], stride, n_slots, table, wrong))
    return errors


@compiled
def swap_errors(words, ties, leads, first_slot, closest, lost, first, last, members, left_out, joiners, n_members):
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member: (number of members, n_joiners).

    The votes are counted once. Then each member's votes are subtracted in turn, and the effect of any joiner tabulated.
    """
    errors = np.zeros((members.size, joiners.size), np.int64)
    n_bits = counter_bits(members.size + 1)
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
            take_away(words, slot_0 * stride + members[i], stride, n_slots, counters, n_bits, fewer)
            wrong = tabulate(fewer, 0, ties, slot_0, n_slots, n_bits, joining, leaving, level)
            for j in range(joiners.size):
                after = after_move(words, slot_0 * stride + joiners[j], stride, n_slots, joining, wrong)
                errors[i, j] += popcount(after)
    return errors
