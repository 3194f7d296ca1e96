"""Sums of ballots for the neighbours of a subset: the sums are formed once, and each mover's ballots added or taken."""

import numpy as np

from evo_ensyth.engine.kernels.ballots import (
    STEPS,
    break_ties,
    count,
    room_for_sums,
    samples_in,
    squares,
    strongest,
    sum_of_distances,
    sum_of_losses,
    sum_of_slots,
    sum_unit,
)
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.lanes import (
    LANES,
    above,
    cosines,
    larger,
    load_ballots,
    load_sums,
    margins,
    no_squares,
    no_sums,
    square,
    store_sums,
    store_wide,
    total,
)


@compiled
def joined(sums, slot, ballots, at):
    """Return the sums of a slot after the ballots at ``at`` are added."""
    return load_sums(sums, slot) + load_ballots(ballots, at + slot)


@compiled
def left(sums, slot, ballots, at):
    """Return the sums of a slot after the ballots at ``at`` are taken away."""
    return load_sums(sums, slot) - load_ballots(ballots, at + slot)


@compiled
def strongest_joined(sums, slots, n, ballots, at, least):
    """Return the largest sum in the first ``n`` slots after ballots are added, at least ``least``."""
    for i in range(n):
        least = larger(least, joined(sums, slots[i], ballots, at))
    return least


@compiled
def strongest_left(sums, slots, n, ballots, at, least):
    """Return the largest sum in the first ``n`` slots after ballots are taken away, at least ``least``."""
    for i in range(n):
        least = larger(least, left(sums, slots[i], ballots, at))
    return least


@compiled
def squares_joined(sums, n_slots, ballots, at):
    """Return the sum of the squares of all slots after ballots are added."""
    found = no_squares()
    for slot in range(0, n_slots * LANES, LANES):
        found = found + square(joined(sums, slot, ballots, at))
    return found


@compiled
def squares_left(sums, n_slots, ballots, at):
    """Return the sum of the squares of all slots after ballots are taken away."""
    found = no_squares()
    for slot in range(0, n_slots * LANES, LANES):
        found = found + square(left(sums, slot, ballots, at))
    return found


@compiled
def list_contested(sums, n_slots, least, most, at, slots):
    """Find what a move may decide: how many slots, how many samples are wrong after any move, and the others, as bits.

    A margin changes by no more than the largest ballot for the truth, or for the rival: ``most``, from ``at`` on.
    ``slots`` gets the rivals that may win a contested sample. ``least`` stands for a rival without ballots.
    """
    truth, of_truth = load_sums(sums, 0), load_ballots(most, at)
    lost, contested = above(least - of_truth, truth), above(least + of_truth, truth)
    for slot in range(LANES, n_slots * LANES, LANES):
        change = larger(load_ballots(most, at + slot), of_truth)
        lost |= above(load_sums(sums, slot) - change, truth)
        contested |= above(load_sums(sums, slot) + change, truth)
    contested &= ~lost
    n = 0
    for slot in range(LANES, n_slots * LANES, LANES):
        change = larger(load_ballots(most, at + slot), of_truth)
        if above(load_sums(sums, slot) + change, truth) & contested:
            slots[n] = slot
            n += 1
    return n, count(lost), contested


@compiled
def list_strong(sums, n_slots, strongest_now, most, at, slots):
    """List the slots that may have the largest sum after ballots are added; return how many."""
    n = 0
    for slot in range(LANES, n_slots * LANES, LANES):
        if above(load_sums(sums, slot) + load_ballots(most, at + slot), strongest_now):
            slots[n] = slot
            n += 1
    return n


@compiled
def neighbour_errors(ballots, ties, first_slot, first, last, n_members, most, members, movers, leaves):
    """Errors in units ``first`` to ``last - 1`` after each mover joins ``members``, or leaves them: (n_movers,)."""
    errors, always_lost = np.zeros(movers.size, np.int64), 0
    sums = room_for_sums(first_slot)
    slots = np.empty(sums.size // LANES, np.int64)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        break_ties(sums, ties, slot_0, n_slots)
        least = load_sums(ties, slot_0 * LANES)
        n, lost, contested = list_contested(sums, n_slots, least, most, slot_0 * LANES, slots)
        always_lost += lost
        if contested:
            for i in range(movers.size):
                own = at + movers[i] * n_slots * LANES
                if leaves[i]:
                    rival = strongest_left(sums, slots, n, ballots, own, least)
                    errors[i] += count(above(rival, left(sums, 0, ballots, own)) & contested)
                else:
                    rival = strongest_joined(sums, slots, n, ballots, own, least)
                    errors[i] += count(above(rival, joined(sums, 0, ballots, own)) & contested)
    for i in range(movers.size):
        errors[i] += always_lost
    return errors


@compiled
def swap_errors(ballots, ties, first_slot, first, last, n_members, most, members, joiners):
    """Errors in units ``first`` to ``last - 1`` after a joiner replaces a member: (number of members, n_joiners)."""
    errors = np.zeros((members.size, joiners.size), np.int64)
    sums, fewer = room_for_sums(first_slot), room_for_sums(first_slot)
    slots = np.empty(sums.size // LANES, np.int64)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        break_ties(sums, ties, slot_0, n_slots)
        least = load_sums(ties, slot_0 * LANES)
        for i in range(members.size):
            for slot in range(0, n_slots * LANES, LANES):
                store_sums(fewer, slot, left(sums, slot, ballots, at + members[i] * n_slots * LANES))
            n, lost, contested = list_contested(fewer, n_slots, least, most, slot_0 * LANES, slots)
            for j in range(joiners.size):
                errors[i, j] += lost
                if contested:
                    own = at + joiners[j] * n_slots * LANES
                    rival = strongest_joined(fewer, slots, n, ballots, own, least)
                    errors[i, j] += count(above(rival, joined(fewer, 0, ballots, own)) & contested)
    return errors


@compiled
def neighbour_smoothed(
    ballots, first_slot, first, last, n_members, members, movers, leaves, most, unanswered, scales, losses
):
    """Sum of the losses of the margins after each move, see `sum_smoothed`: int64, (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, steps = room_for_sums(first_slot), np.empty(LANES, np.int32)
    all_slots = np.arange(LANES, sums.size, LANES)
    slots = np.empty(sums.size // LANES, np.int64)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        now = strongest(sums, n_slots, no_sums())
        n = list_strong(sums, n_slots, now, most, slot_0 * LANES, slots)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            if leaves[i]:
                rival = strongest_left(sums, all_slots, n_slots - 1, ballots, own, no_sums())
                margin = margins(left(sums, 0, ballots, own), rival, unanswered)
            else:
                rival = strongest_joined(sums, slots, n, ballots, own, now)
                margin = margins(joined(sums, 0, ballots, own), rival, unanswered)
            found[i] += sum_of_losses(margin, scales[i], losses, steps)
    return found


@compiled
def neighbour_cosines(ballots, first_slot, first, last, n_members, members, movers, leaves):
    """Sum of the cosines between sums and truth after each move, in steps of 2^-20: int64, (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            if leaves[i]:
                norms = squares_left(sums, n_slots, ballots, own)
                found[i] += total(cosines(left(sums, 0, ballots, own), norms, STEPS))
            else:
                norms = squares_joined(sums, n_slots, ballots, own)
                found[i] += total(cosines(joined(sums, 0, ballots, own), norms, STEPS))
    return found


@compiled
def neighbour_distances(ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples):
    """Sum of the squared distances of shares from the truth after each move, see `sum_of_distances`: (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, moved = room_for_sums(first_slot), room_for_sums(first_slot)
    whole, norms = np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            for slot in range(0, n_slots * LANES, LANES):
                if leaves[i]:
                    store_sums(moved, slot, left(sums, slot, ballots, own))
                else:
                    store_sums(moved, slot, joined(sums, slot, ballots, own))
            store_sums(whole, 0, sum_of_slots(moved, n_slots))
            store_wide(norms, 0, squares(moved, n_slots))
            found[i] += sum_of_distances(moved, norms, whole, samples_in(unit, n_samples))
    return found
