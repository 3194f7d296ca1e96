"""Vote rules, sample by sample: sums of ballots in plain loops, and a second sum for ties."""

import numpy as np


def winner(sums, second=None) -> int:
    """The class with the largest sum; of equals that with the largest second sum, then the lowest."""
    best = max(sums)
    tied = [label for label, value in enumerate(sums) if value == best]
    if second is None:
        return tied[0]
    return max(tied, key=lambda label: (second[label], -label))


def sums(members, label_weights, score_weights, y_pred, shares, sample, n_classes):
    """What the members add up for each class of one sample; -1 is no answer."""
    found = [0] * n_classes
    for member in members:
        label = y_pred[member][sample]
        if label == -1:
            continue
        found[label] += label_weights[member]
        if score_weights[member]:
            for other in range(n_classes):
                found[other] += score_weights[member] * shares[member][sample][other]
    return found


def plurality_with_ties(subset, y_pred, n_classes, label_weights, score_weights, shares=None):
    """Plurality votes with ties by a second sum, -1 where nobody answers: (n_samples,)."""
    members = np.flatnonzero(subset)
    n_members, n_samples = y_pred.shape
    ones, none = [1] * n_members, [0] * n_members
    found = []
    for sample in range(n_samples):
        first = sums(members, ones, none, y_pred, None, sample, n_classes)
        second = sums(members, label_weights, score_weights, y_pred, shares, sample, n_classes)
        found.append(winner(first, second) if any(first) else -1)
    return np.array(found)


def predictions_of_all(subsets, first, second=None):
    """Label of each subset and sample, the number of classes where nobody gives anything: (n_subsets, n_samples).

    ``first`` and ``second`` are whole numbers, (n_members, n_samples, n_classes): what each member gives to each class,
    and what breaks ties.
    """
    _, n_samples, n_classes = first.shape
    found = np.full((len(subsets), n_samples), n_classes)
    for sample in range(n_samples):
        most, tied = np.zeros((2, len(subsets)), np.int64)
        for label in range(n_classes):
            own = subsets @ first[:, sample, label]
            other = subsets @ second[:, sample, label] if second is not None else np.zeros(len(subsets), np.int64)
            ahead = (own > most) | ((own == most) & (own > 0) & (other > tied))
            found[ahead, sample] = label
            most, tied = np.where(ahead, own, most), np.where(ahead, other, tied)
    return found
