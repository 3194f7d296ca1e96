"""Class labels: whole numbers counted from 0, in the smallest type that holds them."""

import numpy as np

from evo_ensyth.errors import InputError

MOST_CLASSES = 2**16

# An index of an axis.
Some = np.ndarray | slice


def checked_labels(values: np.ndarray, what: str, n_classes: int, kind: type) -> np.ndarray:
    """Check that values are whole numbers in [0, n_classes); return a read-only copy of the given type."""
    if values.dtype.kind not in "iu":
        raise InputError(f"{what} have type {values.dtype}; they must be whole numbers.")
    if values.min() < 0 or values.max() >= n_classes:
        wrong = values[(values < 0) | (values >= n_classes)][0]
        raise InputError(f"{what} hold {wrong}; with {n_classes} classes they go from 0 to {n_classes - 1}.")
    values = np.array(values, dtype=kind, order="C")  # a copy, so that the checked values cannot change
    values.setflags(write=False)
    return values
