"""Sums of ballots for the neighbours of a subset: the sums are formed once, and each mover's ballots added or taken."""

import numpy as np

from evo_ensyth.engine.kernels.ballots import (
    STEPS,
    break_ties,
    count,
    room_for_sums,
    samples_in,
    strongest,
    sum_of_distances,
    sum_of_losses,
    sum_unit,
)
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.lanes import (
    LANES,
    above,
    all_samples,
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
def moved_sum(sums, slot, ballots, at, leaves):
    """Return the sums of a slot after the ballots at ``at`` are added, or taken away."""
    before, moved = load_sums(sums, slot), load_ballots(ballots, at + slot)
    return before - moved if leaves else before + moved


@compiled
def moved_strongest(sums, slots, ballots, at, leaves, least):
    """Return the largest sum after a move in any of the slots, at least ``least``."""
    if leaves:
        for slot in slots:
            least = larger(least, moved_sum(sums, slot, ballots, at, True))
    else:
        for slot in slots:
            least = larger(least, moved_sum(sums, slot, ballots, at, False))
    return least


@compiled
def moved_squares(sums, n_slots, ballots, at, leaves):
    """Return the sum of the squares of all slots after a move."""
    found = no_squares()
    if leaves:
        for slot in range(0, n_slots * LANES, LANES):
            found = found + square(moved_sum(sums, slot, ballots, at, True))
    else:
        for slot in range(0, n_slots * LANES, LANES):
            found = found + square(moved_sum(sums, slot, ballots, at, False))
    return found


@compiled
def list_contested(sums, n_slots, least, largest, slots):
    """Find what a move may decide: how many slots, how many samples are wrong after any move, and the others, as bits.

    A ballot is no more than ``largest``, and so is the change of a margin. ``slots`` gets the rivals that may win a
    sample that may become right or wrong.
    """
    truth, change = load_sums(sums, 0), all_samples(largest)
    most = strongest(sums, n_slots, least)
    lost = above(most, truth + change)
    contested = above(most + change, truth) & ~lost
    n = 0
    for slot in range(LANES, n_slots * LANES, LANES):
        if above(load_sums(sums, slot) + change, truth) & contested:
            slots[n] = slot
            n += 1
    return n, count(lost), contested


@compiled
def moved_errors(sums, slots, ballots, at, leaves, least, contested):
    """Count the contested samples that are wrong after a move."""
    rival = moved_strongest(sums, slots, ballots, at, leaves, least)
    return count(above(rival, moved_sum(sums, 0, ballots, at, leaves)) & contested)


@compiled
def neighbour_errors(ballots, ties, first_slot, first, last, n_members, largest, members, movers, leaves):
    """Errors in units ``first`` to ``last - 1`` after each mover joins ``members``, or leaves them: (n_movers,)."""
    errors = np.zeros(movers.size, np.int64)
    sums = room_for_sums(first_slot)
    slots = np.empty(sums.size // LANES, np.int64)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        at = slot_0 * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        break_ties(sums, ties, slot_0, n_slots)
        least = load_sums(ties, slot_0 * LANES)
        n, lost, contested = list_contested(sums, n_slots, least, largest, slots)
        errors += lost
        if contested:
            for i in range(movers.size):
                own = at + movers[i] * n_slots * LANES
                errors[i] += moved_errors(sums, slots[:n], ballots, own, leaves[i], least, contested)
    return errors


@compiled
def swap_errors(ballots, ties, first_slot, first, last, n_members, largest, members, joiners):
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
                store_sums(fewer, slot, moved_sum(sums, slot, ballots, at + members[i] * n_slots * LANES, True))
            n, lost, contested = list_contested(fewer, n_slots, least, largest, slots)
            errors[i] += lost
            if contested:
                for j in range(joiners.size):
                    own = at + joiners[j] * n_slots * LANES
                    errors[i, j] += moved_errors(fewer, slots[:n], ballots, own, False, least, contested)
    return errors


@compiled
def neighbour_smoothed(
    ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples, unanswered, scales, losses
):
    """Sum of the losses of the margins after each move, see `sum_of_losses`: int64, (n_movers,).

    Where nobody has a ballot, the margin is ``unanswered``.
    """
    found = np.zeros(movers.size, np.int64)
    sums, steps = room_for_sums(first_slot), np.empty(LANES, np.int32)
    slots = np.arange(LANES, sums.size, LANES)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            rival = moved_strongest(sums, slots[: n_slots - 1], ballots, own, leaves[i], no_sums())
            margin = margins(moved_sum(sums, 0, ballots, own, leaves[i]), rival, unanswered)
            found[i] += sum_of_losses(margin, scales[i], losses, steps, samples_in(unit, n_samples))
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
            norms = moved_squares(sums, n_slots, ballots, own, leaves[i])
            found[i] += total(cosines(moved_sum(sums, 0, ballots, own, leaves[i]), norms, STEPS))
    return found


@compiled
def neighbour_distances(ballots, first_slot, first, last, n_members, members, movers, leaves, n_samples):
    """Sum of the squared distances of shares from the truth after each move, see `sum_of_distances`: (n_movers,)."""
    found = np.zeros(movers.size, np.int64)
    sums, truth, norms = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    whole = np.empty(LANES, np.int32)
    for unit in range(first, last):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        at = first_slot[unit] * n_members * LANES
        sum_unit(ballots, at, n_slots, members, 0, members.size, sums)
        for i in range(movers.size):
            own = at + movers[i] * n_slots * LANES
            all_classes = no_sums()
            for slot in range(0, n_slots * LANES, LANES):
                all_classes = all_classes + moved_sum(sums, slot, ballots, own, leaves[i])
            store_sums(whole, 0, all_classes)
            store_sums(truth, 0, moved_sum(sums, 0, ballots, own, leaves[i]))
            store_wide(norms, 0, moved_squares(sums, n_slots, ballots, own, leaves[i]))
            found[i] += sum_of_distances(truth, norms, whole, samples_in(unit, n_samples))
    return found
