"""Tables in text, ``.csv`` and ``.tsv``: a header, then cells separated by commas, semicolons, tabs or bars.

A column is read as whole numbers if all its cells are, then as numbers, otherwise as text; 007 is text. Where cells are
not separated by commas, 0,5 is a number as well. An empty cell is a missing value. Nothing but Python's standard
library is needed.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.classes import is_whole
from evo_ensyth.pool.table import Table

SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",;\t|"
ROWS = 4096  # that are read at once
# A column with more different cells is kept as numbers, if it holds numbers.
MANY = 4096
NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?|nan|NaN|[+-]?inf")


def table(path: Path) -> Table:
    """Read a table.

    Raises
    ------
    InputError
        The file is no text in UTF-8, has no header, or a row has another number of cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=header.count)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = next(reader, [])
            if not any(name.strip() for name in names) or "\0" in header:
                raise InputError(f"{path} has no header: the first line names the columns.")
            columns = [_Column(with_commas=delimiter != ",") for _ in names]
            for rows in _chunks(reader, len(names), path):
                for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
                    column.add(cells)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: {error}; save it as UTF-8.") from error
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    named = [i for i, name in enumerate(names) if name.strip()]
    for i in sorted({*range(1, len(names))} - {*named}):  # the first may be the index of a data frame
        if not columns[i].is_empty:
            raise InputError(f"{path}: column {i + 1} has no name; name it.")
    names, columns = [names[i] for i in named], [columns[i] for i in named]
    by_name = dict(zip(names, columns, strict=True))
    return Table(str(path), tuple(names), lambda name: by_name[name].values())


def _chunks(reader: Iterator[list[str]], n_columns: int, path: Path) -> Iterator[list[list[str]]]:
    n_read = 0
    while rows := list(islice(reader, ROWS)):
        full = [row for row in rows if row]  # a last line may be empty
        for place, row in enumerate(full, n_read + 1):
            if len(row) != n_columns:
                raise InputError(f"{path}: row {place} has {len(row)} cells; the header has {n_columns}.")
        n_read += len(full)
        if full:
            yield full


class _Column:
    """Cells of a column: the different ones and which of them each row has, or numbers if nearly all are different.

    Parameters
    ----------
    with_commas : bool
        Whether numbers may be written with a comma, such as 0,5.
    """

    def __init__(self, *, with_commas: bool = False) -> None:
        self._with_commas = with_commas
        self._codes: dict[str, int] = {}
        self._rows: list[np.ndarray] = []
        self._are_numbers = False

    def add(self, cells: Sequence[str]) -> None:
        if self._are_numbers and not all(cell == "" or NUMBER.fullmatch(cell) for cell in cells):
            # Text after many numbers: written out again, for the rest of the column is told by its cells.
            numbers, self._rows, self._are_numbers = self._rows, [], False
            for chunk in numbers:
                self._factorise([repr(value) for value in chunk.tolist()])
        if self._are_numbers:
            self._rows.append(_floats(cells))
            return
        self._factorise(cells)
        if len(self._codes) > MANY and all(_is_fraction(cell) for cell in self._codes):
            different = _floats(list(self._codes))
            self._rows = [different[chunk] for chunk in self._rows]
            self._codes, self._are_numbers = {}, True

    def _factorise(self, cells: Sequence[str]) -> None:
        codes = self._codes
        for cell in dict.fromkeys(cells):
            codes.setdefault(cell, len(codes))
        kind = np.min_scalar_type(len(codes))
        self._rows.append(np.fromiter(map(codes.__getitem__, cells), kind, len(cells)))

    @property
    def is_empty(self) -> bool:
        """Whether no cell holds anything."""
        return not self._are_numbers and set(self._codes) <= {""}

    def values(self) -> np.ndarray:
        """Numbers, or objects: text, whole numbers beside missing values, and None."""
        if self._are_numbers:
            return np.concatenate(self._rows)
        different = _typed(list(self._codes), with_commas=self._with_commas)
        return np.concatenate([different[chunk] for chunk in self._rows]) if self._rows else different


def _typed(cells: list[str], *, with_commas: bool) -> np.ndarray:
    """Different cells as whole numbers, numbers or text, with None where there is nothing."""
    given = [cell for cell in cells if cell != ""]
    if with_commas and any("," in cell for cell in given) and not any("." in cell for cell in given):
        with_points = [cell.replace(",", ".") for cell in cells]
        if all(NUMBER.fullmatch(cell) for cell in with_points if cell != ""):
            return _floats(with_points)
    if given and all(map(is_whole, given)):
        found: list[Any] = [None if cell == "" else int(cell) for cell in cells]
    elif given and all(NUMBER.fullmatch(cell) for cell in given):
        return _floats(cells)
    else:
        found = [cell or None for cell in cells]
    objects = np.fromiter(found, object, len(found))
    return np.array(found) if found and all(type(value) is int and abs(value) < 2**63 for value in found) else objects


def _floats(cells: Sequence[str]) -> np.ndarray:
    return np.array([cell or "nan" for cell in cells], np.float64)


def _is_fraction(cell: str) -> bool:
    return cell == "" or (not is_whole(cell) and bool(NUMBER.fullmatch(cell))) or cell in ("0", "1")
