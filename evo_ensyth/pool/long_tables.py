"""Tables with a row for each answer, as tables with a row for each sample and a column for each member."""

from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.missing import is_absent
from evo_ensyth.pool.table import Table


def pivoted(table: Table, sample: str, member: str, label: str) -> Table:
    """Give each member a column; an answer that has no row is missing.

    Parameters
    ----------
    table : Table
    sample, member, label : str
        Columns.

    Returns
    -------
    Table
        Samples and members in the order in which they first occur. Other columns, such as that of the true classes,
        must hold the same value in all rows of a sample.

    Raises
    ------
    InputError
        A column is missing, a row has no sample or member, or two rows are the same answer.
    """
    samples, sample_of_row = _numbered(table, sample)
    members, member_of_row = _numbered(table, member)
    names = tuple(str(int(name)) if isinstance(name, float) and name.is_integer() else str(name) for name in members)
    others = tuple(name for name in table.columns if name not in (sample, member, label))
    if both := [name for name in names if name in (sample, *others)]:
        raise InputError(f"{table.name}: '{both[0]}' is a column and also a value of '{member}'; rename one.")
    pairs = sample_of_row * len(members) + member_of_row
    _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = int(first[counts > 1].min())
        again = int(np.flatnonzero(pairs == pairs[row])[1])
        who, what = members[member_of_row[row]], samples[sample_of_row[row]]
        raise InputError(f"{table.name}: rows {row + 1} and {again + 1} are both the answer of '{who}' to '{what}'.")
    labels = table.column(label)
    first_row = np.unique(sample_of_row, return_index=True)[1]

    def read(name: str) -> np.ndarray:
        if name == sample:
            return np.fromiter(samples, object, len(samples))
        if name in others:
            return _constant(table, name, sample, sample_of_row, first_row)
        rows = np.flatnonzero(member_of_row == names.index(name))
        found = np.full(len(samples), None, object)
        found[sample_of_row[rows]] = labels[rows]
        return found

    return Table(table.name, (sample, *others, *names), read, names)


def _numbered(table: Table, name: str) -> tuple[list[Any], np.ndarray]:
    """Different values of a column, in the order in which they occur, and which one each row has: int64, (n_rows,)."""
    values = table.column(name).tolist()
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    for value in number:
        if is_absent(value) or value == "":
            raise InputError(f"{table.name}: column '{name}' has no value in row {values.index(value) + 1}.")
    return list(number), np.fromiter(map(number.__getitem__, values), np.int64, len(values))


def _constant(table: Table, name: str, sample: str, sample_of_row: np.ndarray, first_row: np.ndarray) -> np.ndarray:
    values = table.column(name)
    differs = values[first_row][sample_of_row] != values
    if values.dtype.kind == "f":
        differs &= ~np.isnan(values)
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        first = int(first_row[sample_of_row[row]])
        raise InputError(
            f"{table.name}: column '{name}' holds {values[first]} in row {first + 1} and {values[row]} in row "
            f"{row + 1}, which have one '{sample}'."
        )
    return np.asarray(values[first_row])
