"""Lay out the bit planes of a split: which members vote for the true class of a sample, and which for each rival.

Members may have no answer for a sample; their label is then ``n_classes``. For the samples with such holes, one more
rival is laid out, the weakest: nobody. It has no votes and wins a tie, so that a truth without votes is wrong.
"""

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT, WORDS
from evo_ensyth.engine.kernels.compiler import compiled


@compiled
def gather(labels, samples, columns):
    """Copy the labels of up to 64 samples to ``columns`` (64, n_members), so that a sample's labels are contiguous."""
    for member in range(labels.shape[0]):
        for i in range(samples.size):
            columns[i, member] = labels[member, samples[i]]


@compiled
def tally(labels, counts, named):
    """Count the labels of one sample in ``counts``, zero before; list distinct ones in ``named``, return how many."""
    n = 0
    for label in labels:
        if counts[label] == 0:
            named[n] = label
            n += 1
        counts[label] += 1
    return n


@compiled
def count_rivals(labels, truth, n_classes, first, last):
    """Per sample, of ``first`` to ``last - 1``: votes for the truth, for the strongest rival, and number of rivals.

    int32, (3, n). Nobody counts as a rival where there are holes.
    """
    n_members = labels.shape[0]
    found = np.zeros((3, last - first), np.int32)
    for_truth, for_rival, n_rivals = found
    columns = np.empty((64, n_members), labels.dtype)
    counts = np.zeros(n_classes + 1, np.int32)
    named = np.empty(n_members, np.int64)
    for start in range(first, last, 64):
        samples = np.arange(start, min(start + 64, last))
        gather(labels, samples, columns)
        for i in range(samples.size):
            true_class, at = truth[samples[i]], samples[i] - first
            n = tally(columns[i], counts, named)
            for_truth[at] = counts[true_class]
            n_rivals[at] = n - (for_truth[at] > 0)
            counts[true_class] = counts[n_classes] = 0
            for label in named[:n]:
                for_rival[at] = max(for_rival[at], counts[label])
                counts[label] = 0
    return found


@compiled
def fill_planes(words, ties, leads, first_slot, order, labels, truth, n_classes):
    """Set the bits of members and ties in zeroed planes, and lower ``leads`` to their values.

    The rivals of a sample fill its slots from the strongest to the weakest; ``order`` maps positions to samples.
    """
    n_members = labels.shape[0]
    columns = np.empty((64, n_members), labels.dtype)
    counts = np.zeros(n_classes + 1, np.int32)
    named = np.empty(n_members, np.int64)
    slot_of = np.empty(n_classes + 1, np.int64)
    below = np.empty(n_members + 1, np.int64)
    for start in range(0, order.size, 64):
        samples = order[start : start + 64]
        gather(labels, samples, columns)
        first = first_slot[start // UNIT]
        word = start // 64 % WORDS
        for i in range(samples.size):
            bit = np.uint64(1) << np.uint64(i)
            true_class = truth[samples[i]]
            n = tally(columns[i], counts, named)
            for_truth = counts[true_class]
            n_silent, counts[n_classes] = counts[n_classes], 0
            # Counting sort: the number of rivals with each number of votes, then the slot where these begin.
            below[:] = 0
            for label in named[:n]:
                if label != true_class:
                    below[counts[label]] += 1
            slot = first + 1
            for votes in range(n_members, -1, -1):
                begin = slot
                slot += below[votes]
                below[votes] = begin
            slot_of[true_class] = first
            for label in named[:n]:
                if label != true_class:
                    slot = below[counts[label]]
                    below[counts[label]] += 1
                    slot_of[label] = slot
                    leads[slot] = min(leads[slot], for_truth - counts[label])
                    if label < true_class or label == n_classes:  # this rival wins a tie
                        ties[slot * WORDS + word] |= bit
            for label in named[:n]:
                counts[label] = 0
            if n_silent:
                for member in range(n_members):
                    if columns[i, member] < n_classes:
                        words[(slot_of[columns[i, member]] * n_members + member) * WORDS + word] |= bit
            else:
                for member in range(n_members):
                    words[(slot_of[columns[i, member]] * n_members + member) * WORDS + word] |= bit
