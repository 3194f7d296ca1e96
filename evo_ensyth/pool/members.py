"""The members of a pool and their costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError

# Sums of integer costs stay exact in int64, and products of a few costs, as in a hypervolume, stay finite.
LARGEST_TOTAL = {"i": 2.0**62, "f": 1e75}
# Whole numbers up to this are exact as floats.
LARGEST_EXACT = 2.0**53
MOST_DECIMALS = 12


@dataclass(frozen=True)
class SharedPart:
    """A part that several members share bit for bit, such as a trunk, stored and computed once for all of them.

    Attributes
    ----------
    name : str
        The layers it consists of, for display.
    members : bool, (n_members,)
        Marks the members that share it.
    costs : mapping of str to number
        Its part of the costs of each of these members.
    """

    name: str
    members: np.ndarray
    costs: Mapping[str, float]


@dataclass(frozen=True)
class Members:
    """All members with their costs, checked on construction.

    Attributes
    ----------
    names : tuple of n_members str
    origins : tuple of n_members mappings
        Method and settings that each member was made with; empty for members from elsewhere.
    costs : mapping of str to (n_members,)
        Cost of each member on its own: int64 for counts, float64 for measurements.
    shared : tuple of SharedPart
        Parts whose costs an ensemble pays only once.

    Raises
    ------
    InputError
        There is no member, a name occurs twice, or the shape or values of a cost are invalid.
    """

    names: tuple[str, ...]
    origins: tuple[Mapping[str, Any], ...] = ()
    costs: Mapping[str, np.ndarray] = field(default_factory=dict)
    shared: tuple[SharedPart, ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("the pool is empty; give it at least one member.")
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            first, second = [i for i, name in enumerate(self.names) if name == twice][:2]
            raise InputError(
                f"two members are called '{twice}', at positions {first} and {second}; give each a name of its own."
            )
        if not self.origins:
            object.__setattr__(self, "origins", tuple({} for _ in self.names))
        if len(self.origins) != len(self.names):
            raise InputError(f"there are {len(self.names)} names and {len(self.origins)} origins; give one per member.")
        checked = {name: _checked_cost(name, values, len(self.names)) for name, values in self.costs.items()}
        object.__setattr__(self, "costs", checked)

    def __len__(self) -> int:
        """Number of members."""
        return len(self.names)

    def shared_costs(self, cost: str) -> np.ndarray:
        """Costs of the shared parts that have this cost, (n_parts,)."""
        return np.array([part.costs[cost] for part in self.shared if cost in part.costs])

    def decimal_scale(self, cost: str) -> int:
        """Power of ten that makes all values of a cost whole numbers; 1 if they are, or if none does.

        Sums of the scaled values are exact, whatever their order.
        """
        return self._decimal_scales[cost]

    @cached_property
    def _decimal_scales(self) -> dict[str, int]:
        return {
            name: decimal_scale(np.concatenate([values, self.shared_costs(name)]))
            for name, values in self.costs.items()
        }

    def with_cost(self, name: str, values: Any) -> "Members":
        """Return the same members with one more cost.

        Parameters
        ----------
        name : str
        values : number, (n_members,)
        """
        return replace(self, costs={**self.costs, name: np.asarray(values)})

    def matching(self, patterns: Sequence[str]) -> np.ndarray:
        """Positions of the members whose names match any of the patterns with ``*``, ``?`` and ``[...]``: int64.

        Raises
        ------
        InputError
            No name matches one of the patterns.
        """
        found = np.zeros(len(self), dtype=bool)
        for pattern in patterns:
            # An exact name matches itself alone, whatever characters it holds.
            matches = [name == pattern if pattern in self.names else fnmatchcase(name, pattern) for name in self.names]
            if not any(matches):
                raise InputError(
                    f"no member's name matches '{pattern}'; there are {len(self)}, such as '{self.names[0]}'."
                )
            found |= matches
        return np.flatnonzero(found)

    def part(self, members: np.ndarray) -> "Members":
        """Return a selection of the members.

        Parameters
        ----------
        members : int64, (n,)
            Their positions, in the order wanted.
        """
        shared = (replace(part, members=part.members[members]) for part in self.shared)
        return Members(
            names=tuple(self.names[i] for i in members),
            origins=tuple(self.origins[i] for i in members),
            costs={name: values[members] for name, values in self.costs.items()},
            shared=tuple(part for part in shared if part.members.sum() > 1),
        )


def decimal_scale(values: np.ndarray) -> int:
    """Smallest power of ten that makes all values whole numbers with an exact sum; 1 if they are, or if none does."""
    for digits in range(MOST_DECIMALS + 1):
        scale = int(10**digits)
        scaled = np.rint(values * scale)
        if np.abs(scaled).sum() > LARGEST_EXACT:
            break
        if (scaled / scale == values).all():
            return scale
    return 1


def shared_parts(layers: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[SharedPart, ...]:
    """Find the parts that members share, starting from the input.

    Parameters
    ----------
    layers : sequence of sequences of mappings
        The layers of each member, starting from the input. A layer has ``name``, ``chain`` (a digest of the parameters
        of this layer and all before it: two members with the same digest compute the same up to here) and ``costs``.

    Returns
    -------
    tuple of SharedPart
        Layers shared by the same members form one part.
    """
    owners: dict[str, list[int]] = {}
    first: dict[str, Mapping[str, Any]] = {}
    for member, stack in enumerate(layers):
        for layer in stack:
            owners.setdefault(layer["chain"], []).append(member)
            first.setdefault(layer["chain"], layer)
    parts: dict[tuple[int, ...], list[Mapping[str, Any]]] = {}
    for chain, members in owners.items():
        if len(members) > 1:
            parts.setdefault(tuple(members), []).append(first[chain])
    return tuple(_part(members, stack, len(layers)) for members, stack in parts.items())


def _part(members: tuple[int, ...], stack: list[Mapping[str, Any]], n_members: int) -> SharedPart:
    costs = {cost: sum(layer["costs"][cost] for layer in stack) for cost in stack[0]["costs"]}
    mask = np.zeros(n_members, dtype=bool)
    mask[list(members)] = True
    return SharedPart("+".join(layer["name"] for layer in stack), mask, costs)


def _checked_cost(name: str, values: Any, n_members: int) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (n_members,):
        raise InputError(f"cost '{name}' has shape {values.shape}; the pool needs ({n_members},), one per member.")
    if values.dtype.kind not in "iuf":
        raise InputError(f"cost '{name}' has type {values.dtype}; it must be numbers.")
    with np.errstate(over="ignore", invalid="ignore"):
        floats = values.astype(np.float64)
    if not np.isfinite(floats).all():
        member = int(np.flatnonzero(~np.isfinite(floats))[0])
        raise InputError(f"cost '{name}' is {values[member]} for member {member}; it must be finite.")
    kind = "f" if values.dtype.kind == "f" else "i"
    if (np.abs(floats) > LARGEST_TOTAL[kind] / n_members).any():
        member = int(np.abs(floats).argmax())
        raise InputError(
            f"cost '{name}' is {values[member]} for member {member}; the sum over the pool must stay below "
            f"{LARGEST_TOTAL[kind]:g}."
        )
    checked: np.ndarray = floats if kind == "f" else values.astype(np.int64)
    checked.setflags(write=False)
    return checked
