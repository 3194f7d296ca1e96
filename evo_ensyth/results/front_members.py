"""The members that a front consists of: how well each one does alone, and how differently each two of them answer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError


@dataclass(frozen=True)
class FrontMembers:
    """Some members of a pool, in its order. Checks itself when built.

    Attributes
    ----------
    indices, names : tuple of int, tuple of str
        Positions in the pool, and names.
    search_errors, test_errors : tuple of int
        Samples that each one gets wrong alone; ``test_errors`` is None without a test split.
    costs : mapping of str to tuple of float
        What each one costs alone.
    n_differ : tuple of tuples of int
        Samples of the search split that a member answers differently than each one before it: i numbers for member i.
    """

    indices: tuple[int, ...]
    names: tuple[str, ...]
    search_errors: tuple[int, ...]
    test_errors: tuple[int, ...] | None
    n_differ: tuple[tuple[int, ...], ...]
    costs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = [self.names, self.search_errors, self.n_differ, *self.costs.values()]
        columns += [] if self.test_errors is None else [self.test_errors]
        if {len(column) for column in columns} != {len(self.indices)}:
            raise InputError("field 'front_members' has columns of different lengths.")
        if [len(row) for row in self.n_differ] != list(range(len(self.indices))):
            raise InputError("field 'n_differ' of 'front_members' must have i numbers for member i.")
        if not all(np.isfinite(values).all() for values in self.costs.values()):
            raise InputError("field 'costs' of 'front_members' holds a value that is not finite.")

    def __len__(self) -> int:
        """Number of members."""
        return len(self.indices)

    def disagreement(self, n_samples: int) -> np.ndarray:
        """Share of the samples of the search split that two members answer differently, float64 (n, n)."""
        shares = np.zeros((len(self), len(self)))
        for i, row in enumerate(self.n_differ):
            shares[i, :i] = shares[:i, i] = np.array(row) / n_samples
        return shares

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)
