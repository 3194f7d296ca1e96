"""Errors of all neighbours of a subset where a second sum breaks ties; see `neighbours` and `ties`.

Two pairs of tables tell, for each vote that joins or leaves, which samples are lost and which are lost or tied. Where
they differ for some move, a sample is *close*: it is judged for all movers at once, from the votes and second sums
before their moves. All other samples are counted on the bit planes.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, largest_step, load, popcount, room, store
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import counter_bits, live_slots
from evo_ensyth.engine.kernels.neighbours import after_move, count_slots, tabulate, take_away
from evo_ensyth.engine.kernels.ties import BIT, OFFSET

JOINING, LEAVING = 0, 1


@compiled
def room_for_settling(first_slot, n_bits):
    """Allocate what `prepare` fills: counters, tables, ties of no rival and of all, and a level."""
    n = largest_step(first_slot)
    lost, reached = (room(n), room(n)), (room(n), room(n))
    return room(n * n_bits), lost, reached, (np.zeros(n * WORDS, np.uint64), np.empty(n * WORDS, np.uint64)), room(n)


@leaf
def close_samples(lost, reached, n_slots, close):
    """Samples that some move may bring to a tie, or to another one; ``close`` are those that are tied already."""
    for kind in range(2):
        for slot in range(0, n_slots * WORDS, WORDS):
            close = close | (load(reached[kind], slot) & ~load(lost[kind], slot))
    return close


@leaf
def prepare(counters, n_bits, lost, reached, ties, level, n_slots, n_samples):
    """Fill the tables; return the samples that are lost without a move, and those that are close.

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
    return lost_now, close_samples(lost, reached, n_slots, reached_now & ~lost_now)


@compiled
def signed_weights(second, leaves):
    """What the move of each member adds to counts, and its weights times that: int64, (3, n_members)."""
    signs = np.empty((3, leaves.size), np.int64)
    for member in range(leaves.size):
        signs[0, member] = -1 if leaves[member] else 1
        signs[1, member] = signs[0, member] * second[1][member]
        signs[2, member] = signs[0, member] * second[2][member]
    return signs


@compiled
def judge_close(second, unit, slot_0, n_slots, members, close, ties, signs, errors):
    """Add to the errors of each member the close samples of a unit that are lost once it has moved.

    ``ties`` are those of all slots; rivals with a bit there win if the second sums are equal, too.
    """
    slots, label_weights, score_weights, shares = second
    counts, lost = np.empty(n_slots + 1, np.int64), np.empty(errors.size, np.int64)  # the last count is of all others
    for word in range(WORDS):
        bits = close[word]
        while bits:
            bit = bits & (~bits + BIT)
            bits ^= bit
            place = word * 64 + np.int64(bits_set(bit - BIT))
            at, row = unit * UNIT + place, slot_0 * UNIT + place
            counts[:] = 0
            for i in range(members.size):
                counts[min(np.int64(slots[at, np.uint64(members[i]) >> OFFSET]), n_slots)] += 1
            lost[:] = 0
            for slot in range(1, n_slots):
                behind = counts[slot] - counts[0]
                if behind < -1:
                    continue
                ours, least = 0, np.int64((ties[(slot_0 + slot) * WORDS + word] & bit) != 0)
                for i in range(members.size):
                    member = np.uint64(members[i]) >> OFFSET
                    own = slots[at, member]
                    ours += label_weights[member] * (np.int64(own == 0) - np.int64(own == slot))
                if shares.shape[0]:
                    for i in range(members.size):
                        member = np.uint64(members[i]) >> OFFSET
                        more = np.int64(shares[row, member]) - np.int64(shares[row + slot * UNIT, member])
                        ours += score_weights[member] * more
                    for member in range(errors.size):
                        own = slots[at, member]
                        more = np.int64(shares[row, member]) - np.int64(shares[row + slot * UNIT, member])
                        change = np.int64(own == 0) - np.int64(own == slot)
                        after = behind - change * signs[0, member]
                        then = ours + change * signs[1, member] + more * signs[2, member]
                        lost[member] |= np.int64(after > 0) | (np.int64(after == 0) & np.int64(then < least))
                else:
                    for member in range(errors.size):
                        own = slots[at, member]
                        change = np.int64(own == 0) - np.int64(own == slot)
                        after = behind - change * signs[0, member]
                        then = ours + change * signs[1, member]
                        lost[member] |= np.int64(after > 0) | (np.int64(after == 0) & np.int64(then < least))
            for member in range(errors.size):
                errors[member] += lost[member]


@compiled
def settled_neighbours(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, movers, leaves, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after each mover joins or leaves; see `neighbours.neighbour_errors`."""
    errors, of_close = np.zeros(movers.size, np.int64), np.zeros(n_members, np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level = room_for_settling(first_slot, n_bits)
    voting, closer = np.zeros(n_members, np.bool_), room(1)
    for member in members:
        voting[np.uint64(member) >> OFFSET] = True
    signs = signed_weights(second, voting)
    for unit in range(first, last):
        if left_out < closest[unit]:
            errors += lost_by_all[unit]
            continue
        slot_0 = first_slot[unit]
        n_slots = live_slots(leads, first_slot, unit, left_out)
        count_slots(words, slot_0 * stride, stride, n_slots, members, counters, n_bits)
        lost_now, close = prepare(counters, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT)
        store(closer, 0, close)
        judge_close(second, unit, slot_0, n_slots, members, closer, ties, signs, of_close)
        for i in range(movers.size):
            table = lost[np.int64(leaves[i])]
            errors[i] += popcount(
                after_move(words, slot_0 * stride + movers[i], stride, n_slots, table, lost_now) & ~close
            )
    for i in range(movers.size):
        errors[i] += of_close[np.uint64(movers[i]) >> OFFSET]
    return errors


@compiled
def settled_swaps(
    words, ties, leads, first_slot, closest, lost_by_all, first, last, members, left_out, joiners, n_members,
    n_positions, second,
):  # fmt: skip
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member; see `neighbours.swap_errors`."""
    errors, of_close = np.zeros((members.size, joiners.size), np.int64), np.empty(n_members, np.int64)
    n_bits = counter_bits(members.size + 1)
    stride = n_members * WORDS
    counters, lost, reached, free_ties, level = room_for_settling(first_slot, n_bits)
    fewer, closer, others = room(counters.size // WORDS), room(1), np.empty(max(members.size - 1, 0), members.dtype)
    signs = signed_weights(second, np.zeros(n_members, np.bool_))
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
            lost_now, close = prepare(
                fewer, n_bits, lost, reached, free_ties, level, n_slots, n_positions - unit * UNIT
            )
            store(closer, 0, close)
            of_close[:] = 0
            judge_close(second, unit, slot_0, n_slots, others, closer, ties, signs, of_close)
            for j in range(joiners.size):
                at = slot_0 * stride + joiners[j]
                lost_then = after_move(words, at, stride, n_slots, lost[JOINING], lost_now)
                errors[i, j] += popcount(lost_then & ~close) + of_close[np.uint64(joiners[j]) >> OFFSET]
    return errors
