"""The second sum, which breaks ties of plurality votes, and how it is laid out beside the bit planes."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.bit_planes import BitPlanes
from evo_ensyth.engine.kernels.bits import UNIT
from evo_ensyth.engine.kernels.second_sums import PADDING, SecondSums
from evo_ensyth.pool.memory import room

# Bytes of shares of all classes that are prepared at once, if those of a unit are not more.
PREPARED_BYTES = 2**25
MASK = 64  # members


@dataclass(frozen=True)
class SecondSum:
    """What members add up for the classes of a tie: one number for the class they predict, or shares for all classes.

    Attributes
    ----------
    label_weights : int32, (n_members,)
        What each member adds for the class it predicts; all of them together less than 2^31.
    shares : function of samples, int64 (n,), optional
        Probabilities in fixed point: uint16, (n, n_members, n_classes), 0 where a member has no answer. They take the
        place of label weights.
    """

    label_weights: np.ndarray
    shares: Callable[[np.ndarray], np.ndarray] | None = None


def laid_out(second: SecondSum, planes: BitPlanes, y_pred: np.ndarray, n_classes: int) -> SecondSums:
    """Lay out a second sum for the kernels.

    Parameters
    ----------
    second : SecondSum
    planes : BitPlanes
    y_pred : uint8 or uint16, (n_members, n_samples)
        The labels on the planes.
    n_classes : int

    Raises
    ------
    InputError
        It is too large for the memory, and does not fit on the disk either.
    """
    order, n_members = planes.order, planes.n_members
    weights = second.label_weights.astype(np.int32)
    ranking = np.argsort(weights, kind="stable")
    n_masks = -(-n_members // MASK)
    n_rows = len(planes.leads) * UNIT
    n_shares = n_rows * n_members if second.shares else 0
    voters = room("what breaks ties", (len(planes.leads), UNIT, n_masks), np.uint64)
    shares = room("what breaks ties", (n_shares + PADDING,), np.uint16)
    of_slots = shares[:n_shares].reshape(-1, UNIT, n_members)
    together = max(1, PREPARED_BYTES // (UNIT * n_members * n_classes * 2))
    for unit in itertools.chain.from_iterable(planes.blocks()):
        samples = order[unit * UNIT : (unit + 1) * UNIT]
        votes = planes.votes_in(unit)
        slots = slice(*planes.first_slot[unit : unit + 2].tolist())
        voters[slots, : len(samples)] = in_masks(votes.swapaxes(1, 2))
        if second.shares is None:
            continue
        if unit % together == 0:
            prepared = second.shares(order[unit * UNIT : (unit + together) * UNIT])
        of_unit = prepared[unit % together * UNIT :]
        classes = y_pred[votes.argmax(axis=1), samples]
        for slot, of_slot in enumerate(of_slots[slots]):
            named = np.flatnonzero(votes[slot].any(axis=0))
            of_slot[named] = of_unit[named, :, classes[slot, named]]
    of_rows = voters.reshape(n_rows, n_masks)
    return SecondSums(
        voters=of_rows,
        blocks=of_rows.astype("<u8", copy=False).view("<u2").astype(np.uint16, copy=False),
        weights=np.append(weights, np.zeros(PADDING, np.int32)),
        ranked=weights[ranking],
        lightest=in_masks(np.arange(n_members + 1)[:, None] > np.argsort(ranking)),
        shares=shares if second.shares else shares[:0],
    )


def in_masks(chosen: np.ndarray) -> np.ndarray:
    """Members as bits, 64 to a mask: bool, (..., n_members), to uint64, (..., n_masks)."""
    n_masks = -(-chosen.shape[-1] // MASK)
    masks = np.zeros((*chosen.shape[:-1], n_masks * MASK // 8), np.uint8)
    packed = np.packbits(chosen, axis=-1, bitorder="little")
    masks[..., : packed.shape[-1]] = packed
    return masks.view("<u8").astype(np.uint64)
