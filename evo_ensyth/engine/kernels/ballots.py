"""Sums of ballots for subsets: errors, margins and norms, 16 samples at once.

Ballots lie unit by unit, then member by member, then slot by slot: see `evo_ensyth.engine.ballot_units`. Subsets come
as lists: those of list i are ``members[begins[i] : begins[i + 1]]``, and a member may occur several times.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set, largest_step
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
    scaled,
    square,
    store_sums,
    store_wide,
    total,
)

# Cosines are whole multiples of 2^-20, and what is said of single ensembles of 2^-32, so that sums are exact.
STEPS = np.float32(2.0**20)
FINE = 2.0**32


@compiled
def fill_ballots(ballots, first_slot, unit, block, order, classes):
    """Write the ballots of some samples into the units from ``unit`` on.

    ``block``, (n_members, n_samples, n_classes), holds them class by class. Position i is for sample ``order[i]``, and
    its slots for ``classes[i]``. Positions of the last unit without a sample have no ballots.
    """
    n_members, n_samples, _ = block.shape
    for start in range(0, n_samples, LANES):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        end = min(start + LANES, n_samples)
        for member in range(n_members):
            at = (first_slot[unit] * n_members + member * n_slots) * LANES - start
            for position in range(start, end):
                row, listed = block[member, order[position]], classes[position]
                for slot in range(n_slots):
                    ballots[at + slot * LANES + position] = row[listed[slot]]
            for position in range(end, start + LANES):
                for slot in range(n_slots):
                    ballots[at + slot * LANES + position] = 0
        unit += 1


@compiled
def count(samples):
    """Count the bits that are set in a number: int64."""
    return np.int64(bits_set(np.uint64(samples)))


@compiled
def add_four(ballots, at, stride, members, i, slot):
    """Return the sum of four members' ballots in a slot."""
    first = load_ballots(ballots, at + members[i] * stride + slot)
    second = load_ballots(ballots, at + members[i + 1] * stride + slot)
    third = load_ballots(ballots, at + members[i + 2] * stride + slot)
    fourth = load_ballots(ballots, at + members[i + 3] * stride + slot)
    return (first + second) + (third + fourth)


@compiled
def sum_unit(ballots, at, n_slots, members, begin, end, sums):
    """Add the ballots of ``members[begin:end]`` in the unit that starts at ``at``: ``sums``, (n_slots * 16,)."""
    stride = n_slots * LANES
    for slot in range(0, stride, LANES):
        store_sums(sums, slot, no_sums())
    last_four = end - 3
    for i in range(begin, last_four, 4):
        for slot in range(0, stride, LANES):
            store_sums(sums, slot, load_sums(sums, slot) + add_four(ballots, at, stride, members, i, slot))
    for i in range(end - (end - begin) % 4, end):
        own = at + members[i] * stride
        for slot in range(0, stride, LANES):
            store_sums(sums, slot, load_sums(sums, slot) + load_ballots(ballots, own + slot))


@compiled
def break_ties(sums, ties, slot_0, n_slots):
    """Add 1 to the rivals that win a tie against the truth."""
    for slot in range(1, n_slots):
        tie = load_sums(ties, (slot_0 + slot) * LANES)
        store_sums(sums, slot * LANES, load_sums(sums, slot * LANES) + tie)


@compiled
def strongest(sums, n_slots, least):
    """Return the largest sum of a rival, at least ``least``."""
    for slot in range(LANES, n_slots * LANES, LANES):
        least = larger(least, load_sums(sums, slot))
    return least


@compiled
def sum_of_slots(sums, n_slots):
    """Return the sum of all slots."""
    found = no_sums()
    for slot in range(0, n_slots * LANES, LANES):
        found = found + load_sums(sums, slot)
    return found


@compiled
def squares(sums, n_slots):
    """Return the sum of the squares of all slots."""
    found = no_squares()
    for slot in range(0, n_slots * LANES, LANES):
        found = found + square(load_sums(sums, slot))
    return found


@compiled
def sum_of_losses(margin, scale, losses, steps):
    """Sum of the losses of 16 margins; margin m has loss ``losses[middle + m * scale]``, cut off at both ends.

    ``steps`` is working memory for 16 numbers.
    """
    middle = losses.size // 2
    store_sums(steps, 0, scaled(margin, scale, np.float32(middle)))
    found = 0
    for lane in range(LANES):
        found += losses[np.uint64(middle + steps[lane])]
    return found


@compiled
def sum_of_distances(truth, norms, whole, n_samples):
    """Sum over the first samples of the squared distances of shares from the truth, in steps of 2^-32.

    The ballots of all classes add up to ``whole``; where nobody has a ballot, the distance is 1.
    """
    found = 0
    for lane in range(n_samples):
        all_classes = np.float64(max(whole[lane], 1))
        distance = norms[lane] / (all_classes * all_classes) - 2 * truth[lane] / all_classes + 1
        found += np.int64(np.rint(distance * FINE))
    return found


@compiled
def samples_in(unit, n_samples):
    """Number of samples in a unit; only the last may have less than 16."""
    return min(LANES, n_samples - unit * LANES)


@compiled
def room_for_sums(first_slot):
    """Allocate sums for the slots of any unit."""
    return np.empty(largest_step(first_slot) * LANES, np.int32)


@compiled
def count_errors(ballots, ties, first_slot, first, last, n_members, members, begins):
    """Errors of each list in units ``first`` to ``last - 1``: int64, (n_lists,)."""
    errors = np.zeros(begins.size - 1, np.int64)
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        for i in range(errors.size):
            sum_unit(ballots, slot_0 * n_members * LANES, n_slots, members, begins[i], begins[i + 1], sums)
            break_ties(sums, ties, slot_0, n_slots)
            rival = strongest(sums, n_slots, load_sums(ties, slot_0 * LANES))
            errors[i] += count(above(rival, load_sums(sums, 0)))
    return errors


@compiled
def count_errors_by(ballots, ties, first_slot, first, last, n_members, members, begins, groups, n_groups):
    """Errors of each list by the group of the sample at each position: int64, (n_lists, n_groups)."""
    errors = np.zeros((begins.size - 1, n_groups), np.int64)
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        for i in range(begins.size - 1):
            sum_unit(ballots, slot_0 * n_members * LANES, n_slots, members, begins[i], begins[i + 1], sums)
            break_ties(sums, ties, slot_0, n_slots)
            rival = strongest(sums, n_slots, load_sums(ties, slot_0 * LANES))
            wrong = above(rival, load_sums(sums, 0))
            for lane in range(LANES):
                if wrong >> lane & 1:
                    errors[i, groups[unit * LANES + lane]] += 1
    return errors


@compiled
def fill_predictions(ballots, first_slot, first, last, n_members, members, begins, classes, order, n_classes, found):
    """Write the class with the largest sum, the lowest of a tie, for each list: ``found``, (n_lists, n_samples).

    ``classes`` are those of all slots, (n_slots * 16,), and ``order`` maps positions to samples. Where nobody has a
    ballot, the class is ``n_classes``.
    """
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        for i in range(begins.size - 1):
            sum_unit(ballots, slot_0 * n_members * LANES, n_slots, members, begins[i], begins[i + 1], sums)
            for lane in range(samples_in(unit, order.size)):
                most, winner = np.int64(0), np.int64(n_classes)
                for slot in range(n_slots):
                    own = np.int64(sums[slot * LANES + lane])
                    label = np.int64(classes[(slot_0 + slot) * LANES + lane])
                    if own > most or (own == most and own > 0 and label < winner):
                        most, winner = own, label
                found[i, order[unit * LANES + lane]] = winner


@compiled
def fill_outcomes(ballots, ties, first_slot, first, last, n_members, members, begins, found, right):
    """Write for each list and position the truth's sum, the largest, and that of all classes; and whether it is right.

    ``found`` is int32, (3, n_lists, n_samples), and ``right`` bool, (n_lists, n_samples).
    """
    sums, rival = room_for_sums(first_slot), np.empty(LANES, np.int32)
    most, whole = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    for unit in range(first, last):
        slot_0, n_slots = first_slot[unit], first_slot[unit + 1] - first_slot[unit]
        for i in range(begins.size - 1):
            sum_unit(ballots, slot_0 * n_members * LANES, n_slots, members, begins[i], begins[i + 1], sums)
            store_sums(most, 0, strongest(sums, n_slots, load_sums(sums, 0)))
            store_sums(whole, 0, sum_of_slots(sums, n_slots))
            break_ties(sums, ties, slot_0, n_slots)
            store_sums(rival, 0, strongest(sums, n_slots, load_sums(ties, slot_0 * LANES)))
            for lane in range(samples_in(unit, right.shape[1])):
                at = unit * LANES + lane
                found[0, i, at], found[1, i, at], found[2, i, at] = sums[lane], most[lane], whole[lane]
                right[i, at] = rival[lane] <= sums[lane]


@compiled
def sum_smoothed(
    ballots, first_slot, first, last, n_members, members, begins, unanswered, scales, losses
):  # fmt: skip
    """Sum of the losses of each list's margins, see `sum_of_losses`: int64, (n_lists,).

    Where nobody has a ballot, as at positions without a sample, the margin is ``unanswered``.
    """
    found = np.zeros(begins.size - 1, np.int64)
    sums, steps = room_for_sums(first_slot), np.empty(LANES, np.int32)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            margin = margins(load_sums(sums, 0), strongest(sums, n_slots, no_sums()), unanswered)
            found[i] += sum_of_losses(margin, scales[i], losses, steps)
    return found


@compiled
def sum_cosines(ballots, first_slot, first, last, n_members, members, begins):
    """Sum of the cosines between each list's sums and the truth, in steps of 2^-20: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    sums = room_for_sums(first_slot)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            found[i] += total(cosines(load_sums(sums, 0), squares(sums, n_slots), STEPS))
    return found


@compiled
def sum_distances(ballots, first_slot, first, last, n_members, members, begins, n_samples):
    """Sum of the squared distances of each list's shares from the truth, see `sum_of_distances`: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    sums, whole, norms = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            store_sums(whole, 0, sum_of_slots(sums, n_slots))
            store_wide(norms, 0, squares(sums, n_slots))
            found[i] += sum_of_distances(sums, norms, whole, samples_in(unit, n_samples))
    return found


@compiled
def sum_products(products, members, begins):
    """Sum of the products of all pairs of members of each list, a member with itself included: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    for i in range(found.size):
        for a in range(begins[i], begins[i + 1]):
            row = products[members[a]]
            found[i] += row[members[a]]
            for b in range(begins[i], a):
                found[i] += 2 * row[members[b]]
    return found
