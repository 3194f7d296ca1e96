"""Votes of scores, sample by sample and class by class.

``members`` is (n_members, n_samples, n_classes).
"""

import math
from fractions import Fraction

import numpy as np


def rounded(value, resolution):
    """Nearest multiple of the resolution; Python's round takes the even one of two, as does IEEE 754."""
    return round(Fraction(float(value)) / Fraction(resolution))


def rounded_weights(row, subset):
    """Whole numbers as they are; real ones in multiples of 2^-24 of the power of two above the largest."""
    if row.dtype.kind != "f":
        return [int(weight) for weight in row]
    largest = max(Fraction(float(w)) for w, chosen in zip(row, subset, strict=True) if chosen)
    power = Fraction(2) ** (math.frexp(float(largest))[1])
    return [round(Fraction(float(w)) / power * 2**24) for w in row]


def predictions(scores, subsets, resolution, weights=None):
    """Class of the largest sum of rounded scores, without rounding sums; the lowest class of a tie."""
    predicted = np.empty((len(subsets), scores.n_samples), int)
    whole = [[[rounded(v, resolution) for v in sample] for sample in member] for member in scores.members]
    for i, subset in enumerate(subsets):
        factors = [1] * scores.n_members if weights is None else rounded_weights(weights[i], subset)
        for sample in range(scores.n_samples):
            sums = [
                sum(factors[m] * whole[m][sample][label] for m in np.flatnonzero(subset))
                for label in range(scores.n_classes)
            ]
            predicted[i, sample] = sums.index(max(sums))
    return predicted


def shares(members, subset):
    """Sum of the scores of a subset, scaled so that the classes of each sample add up to 1."""
    total = sum(members[i].astype(float) for i in np.flatnonzero(subset))
    return total / total.sum(axis=1, keepdims=True)
