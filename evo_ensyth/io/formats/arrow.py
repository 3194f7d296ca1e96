"""Tables in Arrow's own format, ``.feather`` and ``.arrow``, read one column at a time by polars or pyarrow."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from evo_ensyth.io.formats._frames import columnwise
from evo_ensyth.pool.table import Table

SUFFIXES = (".feather", ".arrow")


def table(path: Path) -> Table:
    """Open a table; errors as in `_frames.columnwise`."""
    return columnwise(path, {"polars": _polars, "pyarrow": _pyarrow})


def _polars(path: Path) -> tuple[list[str], int, Callable[[str], Any]]:
    polars = import_module("polars")
    frame = polars.scan_ipc(path)
    n_rows = frame.select(polars.len()).collect().item()
    return frame.collect_schema().names(), n_rows, lambda name: frame.select(name).collect()


def _pyarrow(path: Path) -> tuple[list[str], int, Callable[[str], Any]]:
    table = import_module("pyarrow.feather").read_table(path, memory_map=True)
    return table.column_names, table.num_rows, lambda name: table.select([name])
