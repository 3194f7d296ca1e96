"""Class labels: whole numbers counted from 0, in the smallest type that holds them; -1 stands for no answer."""

import numpy as np

from evo_ensyth.errors import InputError

MOST_CLASSES = 2**16
# A member may have no answer for a sample: -1 in what is given and returned, ``n_classes`` in `Votes.y_pred`.
NO_ANSWER = -1

# An index of an axis.
Some = np.ndarray | slice


def checked_labels(
    values: np.ndarray, what: str, n_classes: int, kind: type, *, with_holes: bool = False
) -> np.ndarray:
    """Check that values are whole numbers in [0, n_classes); return a read-only copy of the given type.

    With holes, values may also be -1, for no answer, which becomes ``n_classes``.
    """
    if values.dtype.kind not in "iu":
        raise InputError(f"{what} have type {values.dtype}; they must be whole numbers.")
    lowest = NO_ANSWER if with_holes else 0
    if values.min() < lowest or values.max() >= n_classes:
        wrong = values[(values < lowest) | (values >= n_classes)][0]
        raise InputError(f"{what} hold {wrong}; with {n_classes} classes they go from 0 to {n_classes - 1}.")
    if values.dtype == kind and values.flags.c_contiguous and values.flags.owndata and not values.flags.writeable:
        return values
    checked: np.ndarray = np.array(values, dtype=kind, order="C")  # a copy, so that the checked values cannot change
    if with_holes:
        checked[values == NO_ANSWER] = n_classes
    checked.setflags(write=False)
    return checked


def signed_labels(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Labels as int32 with -1 for no answer, from labels with ``n_classes`` in its place."""
    signed = labels.astype(np.int32)
    signed[labels == n_classes] = NO_ANSWER
    return signed
