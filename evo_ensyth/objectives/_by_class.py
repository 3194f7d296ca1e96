"""Samples of each class among resamples."""

import numpy as np


def in_classes(labels: np.ndarray, n_classes: int, counts: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
    """Count the samples of each class in each resample: float64 whole numbers, (n_resamples, n_classes).

    Parameters
    ----------
    labels : unsigned integers, (n_samples,)
        Classes; ``n_classes``, for no answer, is not counted.
    n_classes : int
    counts : int64, (n_resamples, n_samples)
        How often each sample was drawn.
    among : bool, (n_samples,), optional
        Count these samples only.
    """
    of_class = labels[:, None] == np.arange(n_classes)
    if among is not None:
        of_class &= among[:, None]
    return np.asarray(counts.astype(np.float64) @ of_class.astype(np.float64))  # exact: whole numbers below 2^53
