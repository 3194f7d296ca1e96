"""Sums of scores: which class has the largest, and what share of the total each class has."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled

# Shares and losses are rounded to multiples of 1 / FINE before they are added, so that their sums are exact.
FINE = 2.0**32


@compiled
def add_errors(sums, truth, errors):
    """Add to ``errors``, (n_subsets, 1), the samples on which another class beats the truth, ties to the lowest.

    ``sums`` has shape (n_subsets, n_samples, n_classes). The loops have no early exit and the truth is unsigned, so
    that it never counts from the end; both let the compiler compare several classes at once.
    """
    for subset in range(sums.shape[0]):
        wrong = 0
        for sample in range(truth.size):
            row = sums[subset, sample]
            right = np.uint64(truth[sample])
            own = row[right]
            beaten = 0
            for label in range(row.size):
                beaten += row[label] > own
            for label in range(right):
                beaten += row[label] == own
            wrong += beaten > 0
        errors[subset, 0] += wrong


@compiled
def share_of_each(row):
    """Return a factor and a summand that turn the sums of one sample, (n_classes,), into shares of their total.

    If all sums are 0, all classes have the same share.
    """
    total = np.float64(0.0)  # float64 with the compiler off, too: NumPy would add in the type of the sums
    for value in row:
        total += value
    if total > 0:
        return 1 / total, np.float64(0.0)
    return np.float64(0.0), np.float64(1 / row.size)
