"""Groups of samples that belong together, such as the scans of one patient: any values, turned into codes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.missing import absent, unmasked

# Whole numbers below this are codes as they are.
MOST_CODES = 2**16
KINDS = "biufmMUS"  # numbers, dates and times, text


def coded_groups(parts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Turn the groups of some splits into codes: int64, (n_samples,) each; equal values have the same code.

    Whole numbers from 0 to 65,535 stay as they are; other values are numbered in ascending order.

    Parameters
    ----------
    parts : mapping of a name to (n_samples,) values
        Numbers, text, dates or truth values. The names begin the messages.

    Raises
    ------
    InputError
        A sample has no group, or values are of another type, or text in one split and numbers in the other.
    """
    if not parts:
        return {}
    values = [_checked(name, part) for name, part in parts.items()]
    if len({part.dtype.kind in "US" for part in values}) > 1:
        raise InputError(f"{' and '.join(parts)} are text and numbers; give values of one type.")
    together = np.concatenate(values)
    if together.dtype.kind in "biu" and together.min(initial=0) >= 0 and together.max(initial=0) < MOST_CODES:
        codes = together.astype(np.int64)
    else:
        codes = np.unique(together, return_inverse=True)[1].astype(np.int64)
    ends = np.cumsum([len(part) for part in values])[:-1]
    return dict(zip(parts, np.split(codes, ends), strict=True))


def _checked(name: str, values: Any) -> np.ndarray:
    array = unmasked(values)
    if array.ndim != 1:
        raise InputError(f"{name} have shape {array.shape}; expected (n_samples,).")
    missing = np.flatnonzero(absent(values))
    if len(missing):
        raise InputError(
            f"{name} have no value for sample {missing[0]}; give every sample a group, such as an id of its own."
        )
    if array.dtype.kind == "O":
        array = np.array([str(value) if isinstance(value, str) else value for value in array.tolist()])
    if array.dtype.kind not in KINDS:
        raise InputError(f"{name} have type {array.dtype}; groups are numbers, text or dates.")
    if array.dtype.kind == "u" and array.max(initial=0) < 2**63:
        array = array.astype(np.int64)  # so that both splits have one type: uint64 and int64 make floats
    return array
