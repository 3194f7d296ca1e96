"""The second sum, which breaks ties of plurality votes, and how it is laid out beside the bit planes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.kernels.bits import UNIT
from evo_ensyth.pool.memory import check_fits

# Bytes of shares of all classes that are prepared at once, if those of a unit are not more.
PREPARED_BYTES = 2**25
# Slot of members without an answer, where all slots have lower numbers.
NO_SLOT = 2**8 - 1


@dataclass(frozen=True)
class SecondSum:
    """What members add up for the classes of a tie.

    Attributes
    ----------
    label_weights : int64, (n_members,)
        What each member adds for the class it predicts.
    score_weights : int64, (n_members,)
        Factor for its shares.
    shares : function of samples, int64 (n,), optional
        Probabilities in fixed point: uint16, (n, n_members, n_classes), 0 where a member has no answer. Without it
        members add label weights only.
    """

    label_weights: np.ndarray
    score_weights: np.ndarray
    shares: Callable[[np.ndarray], np.ndarray] | None = None


def laid_out(
    second: SecondSum, planes: BitPlanes, y_pred: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lay out a second sum for `evo_ensyth.engine.kernels.ties`.

    Parameters
    ----------
    second : SecondSum
    planes : BitPlanes
    y_pred : uint8 or uint16, (n_members, n_samples)
        The labels on the planes.
    n_classes : int

    Returns
    -------
    slots : uint8 or uint16, (n_contested, n_members)
        Slot of each member's label, by position; the largest number of the type where it has no answer.
    label_weights, score_weights : int64, (n_members,)
    shares : uint16, (n_slots * 512, n_members)
        By slot and place within its unit. No rows if the second sum has no shares.

    Raises
    ------
    InputError
        They would take more than a quarter of the memory.
    """
    order, n_members = planes.order, planes.n_members
    few = np.diff(planes.first_slot).max(initial=0) < NO_SLOT
    kind, none = (np.uint8, NO_SLOT) if few else (np.uint16, 2**16 - 1)
    n_rows = len(planes.leads) * UNIT if second.shares else 0
    check_fits("what breaks ties", (len(order) * np.dtype(kind).itemsize + n_rows * 2) * n_members)
    slots = np.full((len(order), n_members), none, kind)
    shares = np.zeros((n_rows // UNIT, UNIT, n_members), np.uint16)
    together = max(1, PREPARED_BYTES // (UNIT * n_members * n_classes * 2))
    for unit in range(len(planes.closest)):
        samples = order[unit * UNIT : (unit + 1) * UNIT]
        votes = planes.votes_in(unit)
        for slot, voters in enumerate(votes):
            slots[unit * UNIT : (unit + 1) * UNIT][voters.T] = slot
        if second.shares is None:
            continue
        if unit % together == 0:
            prepared = second.shares(order[unit * UNIT : (unit + together) * UNIT])
        of_unit = prepared[unit % together * UNIT :]
        classes = y_pred[votes.argmax(axis=1), samples]
        for slot, of_slot in enumerate(shares[planes.first_slot[unit] : planes.first_slot[unit + 1]]):
            named = np.flatnonzero(votes[slot].any(axis=0))
            of_slot[named] = of_unit[named, :, classes[slot, named]]
    return slots, second.label_weights, second.score_weights, shares.reshape(n_rows, n_members)
