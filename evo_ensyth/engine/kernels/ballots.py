"""Sums of ballots for subsets: errors, margins and norms, 16 samples at once.

Ballots lie unit by unit, then member by member, then slot by slot: see `evo_ensyth.engine.Ballots`. Subsets come as
lists: those of list i are ``members[begins[i] : begins[i + 1]]``, and a member may occur several times.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import largest_step
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.lanes import (
    LANES,
    above,
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
from evo_ensyth.engine.kernels.scores import FINE


@compiled
def fill_ballots(ballots, first_slot, unit, block, classes):
    """Write the ballots of some samples into the units from ``unit`` on.

    ``block``, (n_members, n_samples, n_classes), holds them class by class, and slot i of sample s is class
    ``classes[s, i]``. Positions of the last unit without a sample have no ballots.
    """
    n_members, n_samples, _ = block.shape
    for start in range(0, n_samples, LANES):
        n_slots = first_slot[unit + 1] - first_slot[unit]
        end = min(start + LANES, n_samples)
        for member in range(n_members):
            at = (first_slot[unit] * n_members + member * n_slots) * LANES
            for slot in range(n_slots):
                for sample in range(start, end):
                    ballots[at + slot * LANES + sample - start] = block[member, sample, classes[sample, slot]]
                for lane in range(end - start, LANES):
                    ballots[at + slot * LANES + lane] = 0
        unit += 1


@compiled
def sum_unit(ballots, at, n_slots, members, begin, end, sums):
    """Add the ballots of ``members[begin:end]`` in the unit that starts at ``at``: ``sums``, (n_slots * 16,)."""
    stride = n_slots * LANES
    for slot in range(0, stride, LANES):
        total = no_sums()
        for i in range(begin, end):
            total = total + load_ballots(ballots, at + members[i] * stride + slot)
        store_sums(sums, slot, total)


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
def squares(sums, n_slots, norms):
    """Write the sum of the squares of all slots to ``norms``, int64 (16,)."""
    total = no_squares()
    for slot in range(0, n_slots * LANES, LANES):
        total = total + square(load_sums(sums, slot))
    store_wide(norms, 0, total)


@compiled
def totals(sums, n_slots):
    """Return the sum of all slots."""
    total = no_sums()
    for slot in range(0, n_slots * LANES, LANES):
        total = total + load_sums(sums, slot)
    return total


@compiled
def sum_of_losses(truth, rival, n_samples, unanswered, scale, losses):
    """Sum of the losses of the first margins; margin m has loss ``losses[middle + m * scale / 2^32]``, cut off.

    Where nobody has a ballot, the margin is ``unanswered``.
    """
    middle = np.int64(losses.size // 2)
    total = np.int64(0)
    for lane in range(n_samples):
        margin = np.int64(truth[lane]) - np.int64(rival[lane])
        if margin == 0 and truth[lane] == 0:
            margin = unanswered
        step = (margin * scale + np.int64(2**31)) >> np.int64(32)
        total += losses[middle + min(max(step, -middle), middle)]
    return total


@compiled
def sum_of_cosines(truth, norms, n_samples, n_classes):
    """Sum of truth / sqrt(norm) over the first samples, in steps of 2^-32; equal shares where nobody has a ballot."""
    total = np.int64(0)
    for lane in range(n_samples):
        cosine = truth[lane] / np.sqrt(norms[lane]) if norms[lane] > 0 else 1 / np.sqrt(n_classes)
        total += np.int64(np.rint(cosine * FINE))
    return total


@compiled
def sum_of_distances(truth, norms, total_of, n_samples, n_classes):
    """Sum of squared distances of shares from the truth over the first samples, in steps of 2^-32.

    Equal shares where nobody has a ballot.
    """
    total = np.int64(0)
    for lane in range(n_samples):
        distance = 1 - 1 / n_classes
        if total_of[lane] > 0:
            whole = np.float64(total_of[lane])
            distance = norms[lane] / (whole * whole) - 2 * truth[lane] / whole + 1
        total += np.int64(np.rint(distance * FINE))
    return total


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
            errors[i] += count_above(rival, load_sums(sums, 0))
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
def fill_predictions(
    ballots, first_slot, first, last, n_members, members, begins, classes, order, n_classes, predictions
):
    """Write the class with the largest sum, the lowest of a tie, for each list: ``predictions``, (n_lists, n_samples).

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
                    total = np.int64(sums[slot * LANES + lane])
                    label = np.int64(classes[(slot_0 + slot) * LANES + lane])
                    if total > most or (total == most and total > 0 and label < winner):
                        most, winner = total, label
                predictions[i, order[unit * LANES + lane]] = winner


@compiled
def sum_smoothed(ballots, first_slot, first, last, n_members, members, begins, n_samples, unanswered, scales, losses):
    """Sum of the losses of each list's margins, see `sum_of_losses`: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    sums, rival = room_for_sums(first_slot), np.empty(LANES, np.int32)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            store_sums(rival, 0, strongest(sums, n_slots, no_sums()))
            found[i] += sum_of_losses(sums, rival, samples_in(unit, n_samples), unanswered, scales[i], losses)
    return found


@compiled
def sum_cosines(ballots, first_slot, first, last, n_members, members, begins, n_samples, n_classes):
    """Sum of the cosines between each list's sums and the truth, see `sum_of_cosines`: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    sums, norms = room_for_sums(first_slot), np.empty(LANES, np.int64)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            squares(sums, n_slots, norms)
            found[i] += sum_of_cosines(sums, norms, samples_in(unit, n_samples), n_classes)
    return found


@compiled
def sum_distances(ballots, first_slot, first, last, n_members, members, begins, n_samples, n_classes):
    """Sum of the squared distances of each list's shares from the truth, see `sum_of_distances`: int64, (n_lists,)."""
    found = np.zeros(begins.size - 1, np.int64)
    sums, total_of, norms = room_for_sums(first_slot), np.empty(LANES, np.int32), np.empty(LANES, np.int64)
    for unit in range(first, last):
        at, n_slots = first_slot[unit] * n_members * LANES, first_slot[unit + 1] - first_slot[unit]
        for i in range(found.size):
            sum_unit(ballots, at, n_slots, members, begins[i], begins[i + 1], sums)
            squares(sums, n_slots, norms)
            store_sums(total_of, 0, totals(sums, n_slots))
            found[i] += sum_of_distances(sums, norms, total_of, samples_in(unit, n_samples), n_classes)
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
