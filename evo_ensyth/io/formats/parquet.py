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


def _polars(path: Path) -> tuple[list[str], int, Callable[[str], Any]]:
    polars = import_module("polars")
    frame = polars.scan_parquet(path)
    n_rows = frame.select(polars.len()).collect().item()
    return frame.collect_schema().names(), n_rows, lambda name: frame.select(name).collect()


def _pyarrow(path: Path) -> tuple[list[str], int, Callable[[str], Any]]:
    file = import_module("pyarrow.parquet").ParquetFile(path, page_checksum_verification=True)
    return file.schema_arrow.names, file.metadata.num_rows, lambda name: file.read(columns=[name])
