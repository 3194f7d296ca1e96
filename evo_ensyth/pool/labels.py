"""Class labels: whole numbers counted from 0, in the smallest type that holds them; -1 stands for no answer."""

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.memory import give_back, is_in_file, room

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
    own = values.flags.owndata or is_in_file(values)
    if values.dtype == kind and values.flags.c_contiguous and own and not values.flags.writeable:
        give_back(values)
        return values
    checked = room(what, values.shape, kind)  # a copy, so that the checked values cannot change
    for copy, row in zip(np.atleast_2d(checked), np.atleast_2d(values), strict=True):
        copy[:] = row
        if with_holes:
            copy[row == NO_ANSWER] = n_classes
    give_back(checked)
    give_back(values)
    checked.setflags(write=False)
    return checked


def some_labels(labels: np.ndarray, members: Some, samples: Some) -> np.ndarray:
    """Labels of some members on some samples, of labels (n_members, n_samples): read-only, `checked_labels` as is."""
    chosen = np.arange(len(labels))[members]
    found = room("a part of the labels", (len(chosen), len(labels[0][samples])), labels.dtype)
    for row, member in zip(found, chosen.tolist(), strict=True):
        row[:] = labels[member][samples]
    give_back(labels)
    found.setflags(write=False)
    return found


def signed_labels(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Labels as int32 with -1 for no answer, from labels with ``n_classes`` in its place."""
    signed = room("labels with holes", labels.shape, np.int32)
    for copy, row in zip(np.atleast_2d(signed), np.atleast_2d(labels), strict=True):
        copy[:] = row
        copy[row == n_classes] = NO_ANSWER
    return signed
