"""Files of columns, which polars or pyarrow reads one at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError, one_line
from evo_ensyth.pool.frames import frame_table
from evo_ensyth.pool.table import Table

# Opens a file: the names of its columns, its number of rows, and a function that reads a column as a data frame.
Opener = Callable[[Path], tuple[list[str], int, Callable[[str], Any]]]
# A file of more values than MOST_VALUES may not hold more than so many in a byte: nearly all of them would be equal.
MOST_VALUES, MOST_VALUES_IN_A_BYTE = 2**24, 100


def columnwise(path: Path, openers: Mapping[str, Opener]) -> Table:
    """Open a file with the first of some libraries that is installed.

    Raises
    ------
    InputError
        The file cannot be read, or none of the libraries is installed.
    """
    library = next((name for name in openers if find_spec(name)), None)
    if library is None:
        those = " or ".join(openers)
        raise InputError(
            f"{path}: files with the suffix '{path.suffix}' need {those}; run: pip install {next(iter(openers))}"
        )
    with _readable(path):
        names, n_rows, read = openers[library](path)
    size, n_values = path.stat().st_size, n_rows * len(names)
    if n_values > max(MOST_VALUES, MOST_VALUES_IN_A_BYTE * size):
        raise InputError(
            f"{path} holds {n_values:,} values in {size:,} bytes: nearly all of them are the same. If they are meant, "
            "store them as .npz."
        )
    lengths: dict[str, int] = {}  # damaged files have columns of several

    def column(name: str) -> np.ndarray:
        with _readable(path):
            frame = read(name)
        values = frame_table(frame, str(path)).read(name)
        if len(values) != lengths.setdefault("rows", len(values)):
            raise InputError(f"{path}: column '{name}' has {len(values)} rows; others have {lengths['rows']}.")
        return values

    return Table(str(path), tuple(names), column)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what these libraries raise for damaged files, which is nearly anything, into an `InputError`."""
    try:
        yield
    except BaseException as error:
        # A panic of a library in Rust, such as polars, is no `Exception`.
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"{path} cannot be read as {path.suffix[1:]}: {one_line(str(error))[:200]}.") from error
