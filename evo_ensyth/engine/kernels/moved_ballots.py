"""Sums of ballots for the neighbours of a subset: the sums are formed once, and each mover's ballots added or taken."""

import numpy as np

from evo_ensyth.engine.kernels.ballots import (
    break_ties,
    room_for_sums,
    samples_in,
    sum_of_cosines,
    sum_of_distances,
    sum_of_losses,
    sum_unit,
)
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.lanes import (
    LANES,
    count_above,
    larger,
    load_ballots,
    load_sums,
    no_squares,
    no_sums,
    square,
    store_sums,
    store_wide,
)


@compiled
def moved_sum(sums, slot, ballots, at, leaves):
    """Return the sums of a slot after the ballots at ``at`` are added, or taken away."""
    before, moved = load_sums(sums, slot), load_ballots(ballots, at + slot)
    return before - moved if leaves else before + moved


@compiled
def moved_strongest(sums, n_slots, ballots, at, leaves, least):
    """Return the largest sum of a rival after a move, at least ``least``."""
    if leaves:
        for slot in range(LANES, n_slots * LANES, LANES):
            least = larger(least, moved_sum(sums, slot, ballots, at, True))
    else:
        for slot in range(LANES, n_slots * LANES, LANES):
            least = larger(least, moved_sum(sums, slot, ballots, at, False))
    return least


@compiled
def moved_squares(sums, n_slots, ballots, at, leaves, norms):
    """Write the sum of the squares of all slots after a move to ``norms``, int64 (16,)."""
    total = no_squares()
    if leaves:
        for slot in range(0, n_slots * LANES, LANES):
            total = total + square(moved_sum(sums, slot, ballots, at, True))
    else:
        for slot in range(0, n_slots * LANES, LANES):
            total = total + square(moved_sum(sums, slot, ballots, at, False))
    store_wide(norms, 0, total)


@compiled
def neighbour_errors(ballots, ties, first_slot, first, last, n_members, members, movers, leaves):
    """Errors in units ``first`` to ``last - 1`` after each mover joins ``members``, or leaves them: (n_movers,)."""
    errors = np.zeros(movers.size, np.int64)
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        break_ties(sums, ties, slot_0, n_slots)
        least = load_sums(ties, slot_0 * LANES)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            rival = moved_strongest(sums, n_slots, ballots, own, leaves[i], least)
            errors[i] += count_above(rival, moved_sum(sums, 0, ballots, own, leaves[i]))
    return errors


@compiled
def swap_errors(ballots, ties, first_slot, first, last, n_members, members, joiners):
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member: (number of members, n_joiners)."""
    errors = np.zeros((members.size, joiners.size), np.int64)
    sums, fewer = room_for_sums(first_slot), room_for_sums(first_slot)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        break_ties(sums, ties, slot_0, n_slots)
        least = load_sums(ties, slot_0 * LANES)
        for i in range(members.size):
            for slot in range(0, n_slots * LANES, LANES):
                store_sums(fewer, slot, moved_sum(sums, slot, ballots, at + members[i] * n_slots * LANES, True))
            for j in range(joiners.size):
                own = at + joiners[j] * n_slots * LANES
                rival = moved_strongest(fewer, n_slots, ballots, own, False, least)
                errors[i, j] += count_above(rival, moved_sum(fewer, 0, ballots, own, False))
    return errors


@compiled
def neighbour_smoothed(
    ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples, unanswered, scales, losses
):
    """Sum of the losses of the margins after each move, see `sum_of_losses`: int64, (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, truth, rival = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            store_sums(rival, 0, moved_strongest(sums, n_slots, ballots, own, leaves[i], no_sums()))
            store_sums(truth, 0, moved_sum(sums, 0, ballots, own, leaves[i]))
            found[i] += sum_of_losses(truth, rival, samples_in(unit, n_samples), unanswered, scales[i], losses)
    return found


@compiled
def neighbour_cosines(ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples, n_classes):
    """Sum of the cosines between sums and truth after each move, see `sum_of_cosines`: int64, (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, truth, norms = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            store_sums(truth, 0, moved_sum(sums, 0, ballots, own, leaves[i]))
            moved_squares(sums, n_slots, ballots, own, leaves[i], norms)
            found[i] += sum_of_cosines(truth, norms, samples_in(unit, n_samples), n_classes)
    return found


@compiled
def neighbour_distances(ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples, n_classes):
    """Sum of the squared distances of shares from the truth after each move, see `sum_of_distances`: (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, truth, norms = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    total_of = np.empty(LANES, np.int32)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            total = no_sums()
            for slot in range(0, n_slots * LANES, LANES):
                total = total + moved_sum(sums, slot, ballots, own, leaves[i])
            store_sums(total_of, 0, total)
            store_sums(truth, 0, moved_sum(sums, 0, ballots, own, leaves[i]))
            moved_squares(sums, n_slots, ballots, own, leaves[i], norms)
            found[i] += sum_of_distances(truth, norms, total_of, samples_in(unit, n_samples), n_classes)
    return found
