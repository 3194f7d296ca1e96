"""Names, costs and shared parts of the members of a ``.npz`` file of predictions; `npz` documents the keys."""

from dataclasses import replace
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.io.formats._npz_file import Npz
from evo_ensyth.pool.members import Members, SharedPart

RESERVED_COSTS = ("error", "n_members")
SLACK = 1 + 1e-9  # tolerance for sums of measured costs


def read_members(file: Npz, n_members: int) -> Members:
    """Read names, costs and shared parts of the members.

    Raises
    ------
    InputError
        One of them is invalid; the message names the key.
    """
    width = len(str(n_members - 1))
    names = [f"member-{i:0{width}}" for i in range(n_members)]
    if "names" in file.keys:
        names = _names(file, n_members)
    costs: dict[str, Any] = {}
    for key in file.keys:
        if key.startswith("cost_"):
            name = key.removeprefix("cost_")
            if name in RESERVED_COSTS or not name.isidentifier():
                raise InputError(f"'{key}' cannot be a cost; the name after 'cost_' must be a free identifier.")
            costs[name] = file.array(key)
    members = Members(tuple(names), costs=costs)
    return replace(members, shared=_shared(file, members))


def _shared(file: Npz, pool: Members) -> tuple[SharedPart, ...]:
    """Read parts shared by members; the shared costs of a member may not exceed its total cost."""
    prefix = "shared_cost_"
    keys = [key for key in file.keys if key.startswith(prefix)]
    if "shared_members" not in file.keys:
        if keys:
            raise InputError(f"there is '{keys[0]}' but no 'shared_members', which lists the members that share it.")
        return ()
    members = file.array("shared_members")
    if members.ndim != 2 or members.shape[1] != len(pool) or members.dtype.kind not in "biu":
        raise InputError(
            f"'shared_members' has shape {members.shape} and type {members.dtype}; expected zeros and ones, "
            f"(n_parts, {len(pool)})."
        )
    if ((members != 0) & (members != 1)).any() or (members.sum(axis=1) < 2).any():
        raise InputError("'shared_members' must hold zeros and ones, and name two members or more for each part.")
    costs: dict[str, np.ndarray] = {}
    for key in keys:
        values, name = file.array(key), key.removeprefix(prefix)
        if name not in pool.costs:
            raise InputError(f"there is '{key}' but no 'cost_{name}'.")
        if values.shape != members.shape[:1] or values.dtype.kind not in "iuf":
            raise InputError(
                f"'{key}' has shape {values.shape} and type {values.dtype}; 'shared_members' needs "
                f"{members.shape[:1]} numbers."
            )
        # The comparison with 0 also rejects NaN.
        if (
            not ((values >= 0) & np.isfinite(values)).all()
            or (values.astype(float) @ members > pool.costs[name] * SLACK).any()
        ):
            raise InputError(f"'{key}' holds what cannot be shared of 'cost_{name}': below 0, or more than there is.")
        costs[name] = values
    return tuple(
        SharedPart(f"part {part}", has.astype(bool), {name: values[part].item() for name, values in costs.items()})
        for part, has in enumerate(members)
    )


def _names(file: Npz, n_members: int) -> list[str]:
    values = file.array("names")
    if values.shape != (n_members,) or values.dtype.kind not in "USiu":
        raise InputError(f"'names' has shape {values.shape}, type {values.dtype}; expected ({n_members},) text.")
    try:
        names = [str(v, "utf-8") if isinstance(v, bytes) else str(v) for v in values.tolist()]
    except (ValueError, SystemError):  # bytes that are not UTF-8, integers that are not Unicode
        raise InputError("'names' holds entries that are not text.") from None
    for i, name in enumerate(names):
        if not name.strip() or not name.isprintable():
            raise InputError(f"'names' calls member {i} {name!r}; use printable text.")
    return names
