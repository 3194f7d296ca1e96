"""A table whose columns are read one at a time, from a file or a data frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import nearest
from evo_ensyth.pool.missing import is_absent

SHOWN = 12  # names that a message lists


@dataclass(frozen=True)
class Table:
    """A table whose columns are read one at a time.

    Attributes
    ----------
    name : str
        Begins messages, such as the path of a file.
    columns : tuple of str
    read : function of a column to (n_rows,)
        Numbers, booleans, or objects: text, and None where there is no value.
    candidates : tuple of str, optional
        Columns that may be members; by default all without another meaning.

    Raises
    ------
    InputError
        Two columns have one name.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[str], np.ndarray]
    candidates: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            first, second = [i for i, name in enumerate(self.columns, 1) if name == twice][:2]
            raise InputError(f"{self.name}: columns {first} and {second} are both called '{twice}'; rename one.")

    def column(self, name: str) -> np.ndarray:
        """Read a column.

        Raises
        ------
        InputError
            There is none of this name.
        """
        if name not in self.columns:
            there = listed(self.columns)
            raise InputError(f"{self.name}: no column '{name}'; there is {there}.{nearest(name, self.columns)}")
        return self.read(name)

    def ids(self, name: str) -> np.ndarray:
        """Read a column that identifies the rows.

        Raises
        ------
        InputError
            There is none of this name, or a value is missing or occurs twice.
        """
        values = self.column(name)
        seen: dict[Any, int] = {}
        for row, value in enumerate(values.tolist(), 1):
            if is_absent(value) or value == "":
                raise InputError(f"{self.name}: column '{name}' has no value in row {row}.")
            if value in seen:
                rows = f"rows {seen[value]} and {row}"
                raise InputError(f"{self.name}: column '{name}' holds {value!r} in {rows}; a sample has one row.")
            seen[value] = row
        return values


def listed(names: Sequence[object]) -> str:
    """The first of some names, for a message."""
    return ", ".join(map(str, names[:SHOWN])) + ", ..." * (len(names) > SHOWN)
