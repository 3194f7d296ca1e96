"""Count errors where ties are broken by a second sum: ties are rare, so they are settled sample by sample."""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS, bits_set, load, popcount, room, store, zero
from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.counting import (
    beats,
    count_votes,
    counter_bits,
    list_group,
    list_members,
    room_for_group,
)


@compiled
def lost_and_tied(words, leads, first, last, n_members, members, size, truth, rival):
    """Samples on which some rival has more votes than the truth, and those on which the strongest rival has as many.

    Parameters are those of `counting.wrong_samples`. Positions without a sample count as tied.
    """
    n_bits = counter_bits(size)
    count_votes(words, first * n_members * WORDS, members, size, truth, n_bits)
    lost, level = zero(), zero()
    for slot in range(first + 1, last):
        if n_members - size < leads[slot]:  # this rival cannot draw level, and those after it are weaker
            break
        count_votes(words, slot * n_members * WORDS, members, size, rival, n_bits)
        behind, differs = zero(), zero()
        for bit in range(0, n_bits * WORDS, WORDS):
            ours, theirs = load(truth, bit), load(rival, bit)
            behind = beats(ours, theirs, behind)
            differs = differs | (ours ^ theirs)
        lost = lost | behind
        level = level | ~differs
    return lost, level & ~lost


@compiled
def winner(labels, shares, label_weights, score_weights, members, size, counts, sums):
    """Class that wins the votes of ``members[:size]`` on one sample, or -1 if none of them has an answer.

    ``members`` are offsets of planes. Of the classes with the most votes, the one with the largest second sum wins,
    then the lowest. ``labels`` has shape (n_members,) and ``shares`` (n_members, n_classes), or (0, 0) if the second
    sum adds no scores. ``counts`` and ``sums``, (n_classes,), are 0 before and after.
    """
    most = 0
    for i in range(size):
        label = np.int64(labels[members[i] // WORDS])
        if label < counts.size:
            counts[label] += 1
            sums[label] += label_weights[members[i] // WORDS]
            most = max(most, counts[label])
    if most == 0:
        return -1
    if shares.size:
        for label in range(counts.size):
            if counts[label] == most:
                for i in range(size):
                    member = members[i] // WORDS
                    sums[label] += score_weights[member] * np.int64(shares[member, label])
    best = -1
    for label in range(counts.size):
        if counts[label] == most and (best < 0 or sums[label] > sums[best]):
            best = label
    counts[:] = 0
    sums[:] = 0
    return best


@compiled
def count_settled_errors(
    words, leads, first_slot, closest, lost_by_all, first, last, subsets, contested, ballots, groups, n_groups
):
    """Count errors by group in units ``first`` to ``last - 1``: int64, (n_subsets, n_groups).

    ``contested`` holds the labels, (n_contested, n_members), and true classes of the samples in the order of the
    planes, and ``ballots`` the label weights, score weights and shares of the second sum; see `winner`. ``groups`` has
    the same order. With one group, only tied samples are visited one by one.
    """
    labels, truths = contested
    label_weights, score_weights, shares, n_classes = ballots
    n_subsets, n_members = subsets.shape
    errors = np.zeros((n_subsets, n_groups), np.int64)
    members, begins = room_for_group(subsets)
    most_bits = counter_bits(n_members)
    truth, rival, unsettled, behind = room(most_bits), room(most_bits), room(1), room(1)
    counts, sums = np.zeros(n_classes, np.int64), np.zeros(n_classes, np.int64)
    no_shares = np.empty((0, 0), shares.dtype)
    start = 0
    while start < n_subsets:
        end = list_group(subsets, start, members, begins)
        for unit in range(first, last):
            slot_0, slot_end = first_slot[unit], first_slot[unit + 1]
            for i in range(start, end):
                size, listed = begins[i + 1] - begins[i], members[begins[i] :]
                if n_groups == 1 and n_members - size < closest[unit]:
                    errors[i, 0] += lost_by_all[unit]
                    continue
                lost, tied = lost_and_tied(words, leads, slot_0, slot_end, n_members, listed, size, truth, rival)
                if n_groups == 1:
                    errors[i, 0] += popcount(lost)
                else:
                    store(behind, 0, lost)
                    tied = tied | lost
                store(unsettled, 0, tied)
                for word in range(WORDS):
                    bits = unsettled[word]
                    while bits:
                        rest = bits & (bits - np.uint64(1))
                        place = np.int64(bits_set((bits ^ rest) - np.uint64(1)))
                        bits = rest
                        at = unit * UNIT + word * 64 + place
                        if at >= truths.size:
                            break
                        if n_groups > 1 and (behind[word] >> np.uint64(place)) & np.uint64(1):
                            errors[i, groups[at]] += 1
                            continue
                        of_sample = shares[at] if shares.shape[0] > 0 else no_shares
                        best = winner(labels[at], of_sample, label_weights, score_weights, listed, size, counts, sums)
                        errors[i, groups[at]] += best != truths[at]
        start = end
    return errors


@compiled
def fill_settled_predictions(subsets, contested, ballots, order, out):
    """Write to ``out``, (n_subsets, n_samples), the label that wins on each contested sample; see `winner`.

    ``order`` holds the sample of each row of ``contested``. Where no member has an answer, ``out`` is left as it is.
    """
    labels, _ = contested
    label_weights, score_weights, shares, n_classes = ballots
    counts, sums = np.zeros(n_classes, np.int64), np.zeros(n_classes, np.int64)
    members = np.empty(subsets.shape[1], np.int32)
    no_shares = np.empty((0, 0), shares.dtype)
    for subset in range(subsets.shape[0]):
        size = list_members(subsets[subset], members)
        for at in range(order.size):
            of_sample = shares[at] if shares.shape[0] > 0 else no_shares
            best = winner(labels[at], of_sample, label_weights, score_weights, members, size, counts, sums)
            if best >= 0:
                out[subset, order[at]] = best
