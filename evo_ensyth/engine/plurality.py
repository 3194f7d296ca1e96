"""The plurality vote of one ensemble: the class with the most votes wins, and ties go to the lowest class."""

import numpy as np

from evo_ensyth.engine.kernels.predictions import fill_predictions


def plurality(y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the plurality vote of the members on each sample.

    Parameters
    ----------
    y_pred : uint8 or uint16, (n_members, n_samples)
        Labels below ``n_classes``, or ``n_classes`` for no answer, one row per member.
    n_classes : int

    Returns
    -------
    same type, (n_samples,)
        ``n_classes`` where no member has an answer.
    """
    y_pred = np.ascontiguousarray(y_pred).view()  # a view, so that the caller's array stays writable
    y_pred.setflags(write=False)  # the kernel is compiled for read-only labels, as a pool's are
    found = np.empty((1, y_pred.shape[1]), y_pred.dtype)
    fill_predictions(y_pred, np.ones((1, len(y_pred)), bool), n_classes, found)
    return np.asarray(found[0])
