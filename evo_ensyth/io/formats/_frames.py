"""Files of columns, which polars or pyarrow reads one at a time."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError, one_line
from evo_ensyth.pool.frames import frame_table
from evo_ensyth.pool.table import Table

# Opens a file: the names of its columns, and a function that reads one as a data frame.
Opener = Callable[[Path], tuple[list[str], Callable[[str], Any]]]


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
    try:
        names, read = openers[library](path)
    except Exception as error:  # these libraries raise nearly anything for damaged files
        raise _unreadable(path, error) from error

    def column(name: str) -> np.ndarray:
        try:
            frame = read(name)
        except Exception as error:
            raise _unreadable(path, error) from error
        return frame_table(frame, str(path)).read(name)

    return Table(str(path), tuple(names), column)


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as {path.suffix[1:]}: {one_line(str(error))[:200]}.")
