"""A compiled walk from neighbour to neighbour, which counts votes once and then updates them move by move."""

import math

import numpy as np

from evo_ensyth.engine.kernels.bits import WORDS, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled, leaf
from evo_ensyth.engine.kernels.counting import beats, counter_bits, live_slots
from evo_ensyth.engine.kernels.neighbours import after_move, count_slots, room_for_tables, tabulate

# A walk looks at all members every REST steps; in between it skips those with a relative chance below exp(-HOPELESS).
HOPELESS, REST = 5.0, 32


@compiled
def draw_boltzmann(values, temperature, chance):
    """Draw an index from the Boltzmann distribution of values, at least one finite, with a ``chance`` in [0, 1)."""
    lowest = values.min()
    shares = np.empty(values.size)
    total = 0.0
    for i in range(values.size):
        total += math.exp((lowest - values[i]) / temperature)
        shares[i] = total
    return min(np.searchsorted(shares, chance * total, side="right"), values.size - 1)


@leaf
def move(words, at, stride, n_slots, joins, counters, first, n_bits):
    """Add the votes of a member to the counters of ``n_slots`` slots, from ``first`` on, or subtract them."""
    for slot in range(n_slots):
        carry = load(words, at + slot * stride)
        for bit in range(first + slot * n_bits * WORDS, first + (slot + 1) * n_bits * WORDS, WORDS):
            before = load(counters, bit)
            store(counters, bit, before ^ carry)
            carry = carry & before if joins else carry & ~before


@leaf
def moves_to_a_tie(counters, at, ties, slot_0, n_slots, n_bits):
    """Lower bound, a power of two, on the number of moves before a further move can change the errors of a unit.

    A move shifts a margin by one. After fewer than k moves, the next one therefore changes nothing if k more votes for
    the truth, or for any rival, would leave all samples as they are.
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
def metropolis_walk(
    words, ties, leads, first_slot, closest, lost, n_samples, subset, penalty, temperature, chances, most, lowest,
    reached,
):  # fmt: skip
    """Let members join or leave ``subset`` one by one, each drawn by the error that its move would lead to.

    ``penalty``, by size, is added to the error rate; it is infinite for sizes that are barred. Every `REST` steps all
    members are considered; in between, members are skipped once their chance is below ``exp(-HOPELESS)`` of that of the
    best member that could join (or leave) like them. There is one step for each of the ``chances``, as long as ``most``
    neighbours suffice. The fewest errors met at each size that is not barred are written to ``lowest``, smallest size
    first, and the subsets that make them to ``reached``. Returns the number of steps, the number of neighbours, and the
    standard deviation of the error rates after one member leaves, summed over the steps that considered all.
    """
    n_members, n_units = subset.size, closest.size
    stride = n_members * WORDS
    sizes = np.flatnonzero(np.isfinite(penalty))
    left_out = n_members - sizes[0] + 1
    n_bits = counter_bits(sizes[-1] + 1)
    # The votes of all live slots are counted once and kept. A unit catches up on moves when it is due: while none of
    # its samples is near a tie, its errors do not change.
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
    all_members = np.arange(n_members)
    movers, errors = all_members.copy(), np.empty(n_members, np.int64)
    values = np.empty(n_members)
    n = n_members
    counted, deviations = np.int64(0), 0.0
    for step in range(chances.size):
        all_move = step % REST == 0
        if all_move:
            n = n_members
            movers[:] = all_members
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
                errors[i] += popcount(after_move(words, at + movers[i] * WORDS, stride, slots, table, wrong))
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
        chosen = draw_boltzmann(values[:n], temperature, chances[step])
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
