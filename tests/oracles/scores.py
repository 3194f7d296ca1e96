"""Sums of scores, sample by sample."""

import numpy as np


def shares(members, subset):
    """Sum of the scores of a subset, scaled so that the classes of each sample add up to 1."""
    total = sum(members[i].astype(float) for i in np.flatnonzero(subset))
    return total / total.sum(axis=1, keepdims=True)
