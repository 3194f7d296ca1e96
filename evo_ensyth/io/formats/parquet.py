"""Tables in ``.parquet`` files, read one column at a time by pyarrow or else by polars, whichever is installed.

Where a file has checksums, only pyarrow compares them.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from evo_ensyth.io.formats._frames import columnwise
from evo_ensyth.pool.table import Table

SUFFIXES = (".parquet",)


def table(path: Path) -> Table:
    """Open a table; errors as in `_frames.columnwise`."""
    return columnwise(path, {"pyarrow": _pyarrow, "polars": _polars})


def _polars(path: Path) -> tuple[list[str], Callable[[str], Any]]:
    frame = import_module("polars").scan_parquet(path)
    return frame.collect_schema().names(), lambda name: frame.select(name).collect()


def _pyarrow(path: Path) -> tuple[list[str], Callable[[str], Any]]:
    file = import_module("pyarrow.parquet").ParquetFile(path, page_checksum_verification=True)
    return file.schema_arrow.names, lambda name: file.read(columns=[name])
