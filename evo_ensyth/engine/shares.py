"""What each class has of the sum of a vote, sample by sample."""

import numpy as np

from evo_ensyth.engine.ballot_units import BallotUnits
from evo_ensyth.engine.kernels.lanes import LANES


def label_sums(y_pred: np.ndarray, n_classes: int) -> np.ndarray:
    """Count the votes for each class: int64, (n_samples, n_classes).

    Parameters
    ----------
    y_pred : uint8 or uint16, (n_members, n_samples)
        Labels of the members that vote; ``n_classes`` for no answer.
    n_classes : int
    """
    n_samples = y_pred.shape[1]
    places = np.arange(n_samples) * (n_classes + 1) + y_pred
    sums = np.bincount(places.ravel(), minlength=n_samples * (n_classes + 1))
    return sums.reshape(n_samples, n_classes + 1)[:, :n_classes]


def ballot_sums(units: BallotUnits, subset: np.ndarray, n_classes: int) -> np.ndarray:
    """Add up the ballots for each class: int64, (n_samples, n_classes).

    Parameters
    ----------
    units : BallotUnits
    subset : bool, (n_members,)
    n_classes : int
    """
    sums, members = np.zeros((len(units.order), n_classes), np.int64), np.flatnonzero(subset)
    slots = units.classes.reshape(-1, LANES)
    for unit, ballots in enumerate(units):
        samples = units.order[unit * LANES : (unit + 1) * LANES]
        classes = slots[units.first_slot[unit] : units.first_slot[unit + 1], : len(samples)]
        total = ballots[members].sum(axis=0, dtype=np.int64).reshape(-1, LANES)
        sums[samples, classes] = total[:, : len(samples)]
    return sums


def shares_of(sums: np.ndarray) -> np.ndarray:
    """Divide sums, int64 (n_samples, n_classes), by their total: float64, equal shares where all sums are 0."""
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, sums / np.maximum(total, 1), 1 / sums.shape[1]))
