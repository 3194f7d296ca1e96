"""Ballots and their sums in plain loops over whole numbers and fractions.

A ballot is a list, by sample and class, of steps; ``given`` has one for each member. Where nobody has a ballot, the
vote is wrong.
"""

import math
from fractions import Fraction

import numpy as np
from scipy.stats import norm


def steps_per_unit(label_weights, score_weights):
    """Largest power of two that keeps every full ballot, rounded to whole steps, at 65,535 or less."""
    full = [Fraction(float(a)) + Fraction(float(b)) for a, b in zip(label_weights, score_weights, strict=True)]
    power = Fraction(2) ** 80
    while round(max(full) * power) > 65_535:
        power /= 2
    return power


def shares(row, temperature):
    """Shares of one sample's scores, as fractions; of tempered ones, as the fractions that floats are."""
    row = [Fraction(float(score)) for score in row]
    if not any(row):
        row = [Fraction(1)] * len(row)
    parts = [score / sum(row) for score in row]
    if temperature == 1:
        return parts
    parts = [max(float(part), 0.001) ** (1 / temperature) for part in parts]
    return [Fraction(part) / Fraction(math.fsum(parts)) for part in parts]


def given(votes, label_weights, score_weights, temperatures):
    """Ballots of all members: given[member][sample][label], in steps."""
    power = steps_per_unit(label_weights, score_weights)
    found = []
    for i in range(votes.n_members):
        ballot = []
        for sample in range(votes.n_samples):
            parts = [Fraction(0)] * votes.n_classes
            if votes.y_pred[i, sample] == votes.n_classes:  # no answer
                ballot.append([0] * votes.n_classes)
                continue
            if score_weights[i]:
                parts = shares(votes.scores.members[i][sample], temperatures[i])
            weighted = [part * Fraction(float(score_weights[i])) for part in parts]
            weighted[votes.y_pred[i, sample]] += Fraction(float(label_weights[i]))
            ballot.append([round(part * power) for part in weighted])
        found.append(ballot)
    return found


def full(label_weights, score_weights):
    """Full ballot of each member, in steps."""
    power = steps_per_unit(label_weights, score_weights)
    return [
        round((Fraction(float(a)) + Fraction(float(b))) * power)
        for a, b in zip(label_weights, score_weights, strict=True)
    ]


def sums(ballots, multiset):
    """Sums of one multiset: sums[sample][label]."""
    found = []
    for rows in zip(*ballots, strict=True):  # those of one sample
        weighted = [[int(times) * value for value in row] for row, times in zip(rows, multiset, strict=True)]
        found.append([sum(column) for column in zip(*weighted, strict=True)])
    return found


def predictions(ballots, multiset):
    """The class with the largest sum, the lowest of a tie, sample by sample."""
    return np.array([row.index(max(row)) if any(row) else len(row) for row in sums(ballots, multiset)])


def wrong(ballots, multiset, truth):
    """Whether the vote is wrong, sample by sample."""
    return predictions(ballots, multiset) != truth


def errors(ballots, multiset, truth):
    """Samples that the vote gets wrong."""
    return int(np.count_nonzero(wrong(ballots, multiset, truth)))


def smoothed_loss(ballots, subset, truth, of_full, noise):
    """Sum of scipy's normal distribution function of the margins over the noise."""
    spread = noise * math.sqrt(sum(steps**2 for steps, chosen in zip(of_full, subset, strict=True) if chosen))
    margins = []
    for row, right in zip(sums(ballots, subset), truth, strict=True):
        margin = row[right] - max([*row[:right], *row[right + 1 :]], default=0)
        margins.append(margin if any(row) else -max(of_full))
    return norm.cdf(-np.array(margins) / spread).sum() if spread else len(truth) / 2


def spherical_loss(ballots, subset, truth):
    """Sum of 1 - cosine between the sums and the truth; the cosine is 0 where there are no ballots."""
    total = 0.0
    for row, right in zip(sums(ballots, subset), truth, strict=True):
        total += 1 - row[right] / math.sqrt(max(sum(value**2 for value in row), 1))
    return total


def brier_loss(ballots, subset, truth, of_full, has_holes):
    """Sum of squared distances of the mean ballot from the truth; the mean is 0 where there are no ballots.

    The mean is over the members' full ballots or, if there are holes, over what they give to all classes.
    """
    whole = sum(steps for steps, chosen in zip(of_full, subset, strict=True) if chosen)
    total = Fraction(0)
    for row, right in zip(sums(ballots, subset), truth, strict=True):
        there = sum(row) if has_holes else whole
        mean = [Fraction(value, max(there, 1)) for value in row]
        total += sum((part - (label == right)) ** 2 for label, part in enumerate(mean))
    return float(total)
