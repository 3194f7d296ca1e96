"""Data frames as tables: of pandas, polars, pyarrow and whatever else narwhals knows."""

from collections.abc import Iterable
from datetime import UTC
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.table import Table


def is_frame(value: Any) -> bool:
    """Whether something is like a data frame rather than an array or a mapping."""
    # Of the type first: a lazy frame works out its columns when it is asked for them.
    return any(hasattr(type(value), name) or hasattr(value, name) for name in ("columns", "column_names"))


def frame_table(frame: Any, name: str = "the table") -> Table:
    """Return a data frame as a table.

    Parameters
    ----------
    frame : data frame
    name : str
        Begins messages.

    Raises
    ------
    InputError
        It is no data frame that narwhals knows, or two columns have one name.
    """
    import narwhals

    if hasattr(frame, "collect"):
        raise InputError(f"{name} is lazy; collect it first.")
    try:
        known = narwhals.from_native(frame, eager_only=True)
        columns = list(known.columns)
    except (TypeError, ValueError) as error:
        twice = _twice(getattr(frame, "column_names", getattr(frame, "columns", ())))
        if twice:
            raise InputError(f"{name}: two columns are called '{twice}'; rename one.") from error
        raise InputError(f"{name}: no data frame that can be read: {error}.") from error
    by_name = {str(column): column for column in columns}
    return Table(name, tuple(map(str, columns)), lambda column: values(known.get_column(by_name[column])))


def values(series: Any) -> np.ndarray:
    """Values of a column of narwhals, (n_rows,): numbers, booleans, or objects with None where there is no value."""
    dtype = series.dtype
    if dtype.is_float() or (dtype.is_integer() and not series.is_null().any()):
        return np.asarray(series.to_numpy())
    if not series.is_null().any() and str(dtype) == "Boolean":
        return np.asarray(series.to_numpy(), bool)
    if str(dtype).startswith(("Date", "Datetime")):
        return np.array([_without_zone(value) for value in series.to_list()], "datetime64[us]")
    found = np.empty(len(series), object)
    found[:] = series.to_list()
    absent = series.is_null()
    if absent.any():
        found[absent.to_numpy()] = None
    return found


def _without_zone(time: Any) -> Any:
    """Return a time in UTC, for numpy knows no zones; a date, or None, as it is."""
    zone = getattr(time, "tzinfo", None)
    return time if zone is None else time.astimezone(UTC).replace(tzinfo=None)


def _twice(names: Iterable[Any]) -> str:
    names = list(map(str, names))
    return next((name for name in names if names.count(name) > 1), "")
