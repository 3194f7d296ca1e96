"""Files of predictions: one module per format, found by file suffix.

A format is a module with ``SUFFIXES`` and one of two functions: ``table``, for a table that knows nothing of members,
or ``read``, for a file that says itself what it holds. If the format can be written, it has a function ``write`` too.
For example, ``blanks.py``, for tables whose cells are separated by blanks::

    SUFFIXES = (".txt",)

    def table(path):
        header, *rows = path.read_text().splitlines()
        cells = np.array([row.split() for row in rows], object)
        columns = dict(zip(header.split(), cells.T))
        return Table(str(path), tuple(columns), columns.get)

Both raise `InputError`, naming the file, for any invalid content, and never execute anything in the file. A pool comes
with its missing answers; `read_predictions` then applies the policy for them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from evo_ensyth import plugins
from evo_ensyth.errors import InputError, one_line
from evo_ensyth.pool import Pool
from evo_ensyth.pool.missing import Policy, settle
from evo_ensyth.pool.splitting import check_split
from evo_ensyth.pool.table import Table
from evo_ensyth.pool.table_pools import pool_of
from evo_ensyth.pool.tables import Columns, refuse_columns

FOLDER = "evo_ensyth.io.formats"


def names() -> tuple[str, ...]:
    """Names of the formats that come with the package."""
    return plugins.names(FOLDER)


def module(name: str) -> ModuleType:
    """Import the module of a format, by its name or by a dotted name."""
    found: ModuleType = plugins.load(FOLDER, name, "format")
    return found


def suffixes() -> dict[str, ModuleType]:
    """Map each file suffix to the module of its format."""
    return {suffix: found for found in map(module, names()) for suffix in found.SUFFIXES}


def table_suffixes() -> tuple[str, ...]:
    """Suffixes of the files that hold tables, sorted."""
    return tuple(sorted(suffix for suffix, found in suffixes().items() if hasattr(found, "table")))


def read_predictions(
    path: Path | str,
    *,
    test_share: float = 0.5,
    split_seed: int = 0,
    missing: str = "refuse",
    columns: Columns | None = None,
    test: Path | str | None = None,
) -> Pool:
    """Read a pool from a file of predictions; the file suffix determines the format.

    Parameters
    ----------
    path : Path or str
    test_share : float
        Share of the samples that become the test split if the file is not split already; 0 for none.
    split_seed : int
        Seed of that split. Samples of one group stay together; without groups, each class is split in the same
        proportion; see `pool.splitting`.
    missing : str
        What to do about missing answers; see `pool.missing.Policy`.
    columns : Columns, optional
        What the columns of a table mean.
    test : Path or str, optional
        A table of the test split.

    Returns
    -------
    Pool
        Its ``source`` records the file's digest and, if the split was created here, ``test_share``, ``split_seed``,
        ``split`` (how, in words) and ``test_samples``, the indices of the test samples; and what was done about missing
        answers.

    Raises
    ------
    InputError
        Unknown suffix or invalid file. The message names the file and what was expected.
    """
    policy = Policy.of(missing)
    check_split(test_share, split_seed)
    path = _existing(path)
    if hasattr(_format_of(path), "table"):
        held_out = None if test is None else read_table(test)
        found = pool_of(read_table(path), columns or Columns(), held_out, test_share=test_share, split_seed=split_seed)
        found = replace(found, name=one_line(path.stem), source={**_source(path), **found.source})
    else:
        refuse_columns(path, columns or Columns(), test)
        read: Callable[..., Pool] = _format_of(path).read
        found = read(path, test_share=test_share, split_seed=split_seed)
    try:
        return settle(found, policy)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_table(path: Path | str) -> Table:
    """Open a file that holds a table.

    Raises
    ------
    InputError
        There is no such file, or it holds none.
    """
    path = _existing(path)
    found = _format_of(path)
    if not hasattr(found, "table"):
        raise InputError(f"{path} holds no table; files of tables have {', '.join(table_suffixes())}.")
    opened: Table = found.table(path)
    return opened


def write_predictions(path: Path | str, pool: Pool, **options: Any) -> None:
    """Write the predictions of a pool to a file, whole or not at all; the file suffix determines the format.

    Parameters
    ----------
    path : Path or str
    pool : Pool
    **options
        Options of the format, such as ``with_scores`` for ``.npz``.

    Raises
    ------
    InputError
        No format with this suffix can be written, or the path is not writable.
    """
    path = Path(path)
    write: Callable[..., None] | None = getattr(_format_of(path), "write", None)
    if write is None:
        raise InputError(f"{path}: files with the suffix '{path.suffix}' can be read, but not written.")
    write(path, pool, **options)


def _existing(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} {'is not a regular file' if path.exists() else 'does not exist'}.")
    return path


def _source(path: Path) -> dict[str, Any]:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"kind": "predictions", "name": path.name, "sha256": digest}


def _format_of(path: Path) -> ModuleType:
    known = suffixes()
    if path.suffix.lower() not in known:
        raise InputError(
            f"{path} has the suffix '{path.suffix}'; files of predictions have {', '.join(sorted(known))}."
        )
    return known[path.suffix.lower()]
