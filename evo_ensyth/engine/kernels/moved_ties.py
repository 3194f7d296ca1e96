"""Errors of all neighbours of a subset where a second sum breaks ties; see `neighbours` and `ties`.

Two pairs of tables tell, for each vote that joins or leaves, which samples are lost and which are lost or tied. Those
in the second and not in the first are settled for each mover, from the votes and second sums before its move.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, largest_step, load, popcount, room, store
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.counting import counter_bits, live_slots
from evo_ensyth.engine.kernels.neighbours import after_move, count_slots, tabulate, take_away
from evo_ensyth.engine.kernels.ties import BIT, OFFSET, add_sums

JOINING, LEAVING = 0, 1


@compiled
def room_for_settling(first_slot, n_bits):
    """Allocate what `prepare` fills: counters, tables, and the votes and second sums of the samples of a unit."""
    n = largest_step(first_slot)
    lost, reached = (room(n), room(n)), (room(n), room(n))
    ties = np.zeros(n * WORDS, np.uint64), np.empty(n * WORDS, np.uint64)
    return room(n * n_bits), lost, reached, ties, room(n), (np.zeros(n * UNIT, np.int64), np.zeros(n * UNIT, np.int64))


@compiled
def close_samples(lost, reached, n_slots, close):
    """Samples that some move may bring to a tie, or to another one; ``close`` are those that are tied already."""
    for kind in range(2):
        for slot in range(0, n_slots * WORDS, WORDS):
            close = close | (load(reached[kind], slot) & ~load(lost[kind], slot))
    return close


@compiled
def prepare(counters, n_bits, lost, reached, ties, level, n_slots, n_samples):
    """Fill the tables; return the samples that are lost, and lost or tied, without a move, and those to be settled.

    ``ties`` are those of no rival, and working memory for those of all. Only the first ``n_samples`` positions count.
    """
    nobody, everybody = ties
    for word in range(WORDS):
        here = min(max(n_samples - 64 * word, 0), 64)
        bits = ~np.uint64(0) >> np.uint64(64 - here) if here else np.uint64(0)
        for slot in range(n_slots):
            everybody[slot * WORDS + word] = bits
    lost_now = tabulate(counters, 0, nobody, 0, n_slots, n_bits, lost[JOINING], lost[LEAVING], level)
    reached_now = tabulate(counters, 0, everybody, 0, n_slots, n_bits, reached[JOINING], reached[LEAVING], level)
    return lost_now, reached_now, close_samples(lost, reached, n_slots, reached_now & ~lost_now)


@compiled
def add_all_sums(second, unit, slot_0, n_slots, members, close, counts, sums):
    """Add up votes and second sums of the slots of each close sample of a unit."""
    for word in range(WORDS):
        bits = close[word]
        while bits:
            bit = bits & (~bits + BIT)
            bits ^= bit
            place = word * 64 + np.int64(bits_set(bit - BIT))
            at, row, base = unit * UNIT + place, slot_0 * UNIT + place, place * n_slots
            counts[base : base + n_slots] = 0
            sums[base : base + n_slots] = 0
            add_sums(second, at, row, n_slots, members, members.size, counts, sums, base)


@compiled
def is_lost(
    second, at, row, n_slots, counts, sums, base, member, sign, ties, word, bit
):  # fmt: skip
    """Whether the truth loses a tie after a member joins, sign 1, or leaves, sign -1.

    ``counts`` and ``sums`` are those before, from ``base`` on. ``ties[word + 8 * slot] & bit`` is set where the rival
    wins if the second sums are equal.
    """
    slots, label_weights, score_weights, shares = second
    voted = np.int64(slots[at, member])
    truth = counts[base] + sign * np.int64(voted == 0)
    for slot in range(1, n_slots):
        if counts[base + slot] + sign * np.int64(voted == slot) == truth:
            change = np.int64(voted == 0) - np.int64(voted == slot)
            ours = sums[base] - sums[base + slot] + sign * change * label_weights[member]
            if shares.shape[0]:
                more = np.int64(shares[row, member]) - np.int64(shares[row + slot * UNIT, member])
                ours += sign * score_weights[member] * more
            if ours < 0 or (ours == 0 and ties[word + slot * WORDS] & bit):
                return True
    return False


@compiled
def count_lost(second, unit, slot_0, n_slots, counts, sums, member, sign, ties, tied):
    """Number of tied samples of a unit that are lost after a member moves; see `is_lost`."""
    n = 0
    for word in range(WORDS):
        bits = tied[word]
        while bits:
            bit = bits & (~bits + BIT)
            bits ^= bit
            place = word * 64 + np.int64(bits_set(bit - BIT))
            at, row, base = unit * UNIT + place, slot_0 * UNIT + place, place * n_slots
            n += is_lost(
                second, at, row, n_slots, counts, sums, base, member, sign, ties, slot_0 * WORDS + word, bit
            )  # fmt: skip
    return n


@compiled
def settled_neighbours(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, movers, leaves, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after each mover joins or leaves; see `neighbours.neighbour_errors`."""
    errors = np.zeros(movers.size, np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level, (counts, sums) = room_for_settling(first_slot, n_bits)
    tied = room(1)
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost_by_all[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        lost_now, reached_now, close = prepare(
            counters, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT
        )
        store(tied, 0, close)
        add_all_sums(second, unit, slot_0, n_slots, members, tied, counts, sums)
        for i in range(movers.size):
            kind, at = np.int64(leaves[i]), slot_0 * stride + movers[i]
            lost_then = after_move(words, at, stride, n_slots, lost[kind], lost_now)
            tied_then = after_move(words, at, stride, n_slots, reached[kind], reached_now) & ~lost_then
            store(tied, 0, tied_then)
            moved = movers[i] >> OFFSET, 1 - 2 * kind
            errors[i] += popcount(lost_then)
            errors[i] += count_lost(second, unit, slot_0, n_slots, counts, sums, *moved, ties, tied)
    return errors


@compiled
def settled_swaps(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, joiners, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member; see `neighbours.swap_errors`."""
    errors = np.zeros((members.size, joiners.size), np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level, (counts, sums) = room_for_settling(first_slot, n_bits)
    fewer, tied, others = room(counters.size // WORDS), room(1), np.empty(max(members.size - 1, 0), members.dtype)
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost_by_all[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        for i in range(members.size):
            take_away(words, slot_0 * stride + members[i], stride, n_slots, counters, n_bits, fewer)
            others[:i] = members[:i]
            others[i:] = members[i + 1 :]
            lost_now, reached_now, close = prepare(
                fewer, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT
            )
            store(tied, 0, close)
            add_all_sums(second, unit, slot_0, n_slots, others, tied, counts, sums)
            for j in range(joiners.size):
                at = slot_0 * stride + joiners[j]
                lost_then = after_move(words, at, stride, n_slots, lost[JOINING], lost_now)
                tied_then = after_move(words, at, stride, n_slots, reached[JOINING], reached_now) & ~lost_then
                store(tied, 0, tied_then)
                moved = joiners[j] >> OFFSET, 1
                errors[i, j] += popcount(lost_then)
                errors[i, j] += count_lost(second, unit, slot_0, n_slots, counts, sums, *moved, ties, tied)
    return errors
