"""Folders of predictions: one module per layout, found by what lies in a folder.

A layout is a module with two functions: ``is_one``, which says whether a folder has this layout, and ``read``. If
opening the folder runs code that lies in it, ``RUNS_CODE`` is true, and only a user's own word opens it. For example,
``pair.py``, for folders with one table for each split::

    def is_one(folder):
        return (folder / "search.csv").is_file()

    def read(folder, columns, *, test, test_share, split_seed):
        return pool_of(read_table(folder / "search.csv"), columns, read_table(folder / "test.csv"))

``read`` raises `InputError`, naming the file, for any invalid content. A pool comes with its missing answers;
`read_folder` then applies the policy for them. A folder with ``pool.json`` is no layout: see `io.pool_folder`.
"""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from evo_ensyth import plugins
from evo_ensyth.errors import InputError, one_line
from evo_ensyth.pool import Pool
from evo_ensyth.pool.missing import Policy, settle
from evo_ensyth.pool.splitting import check_split
from evo_ensyth.pool.tables import Columns

FOLDER = "evo_ensyth.io.layouts"


def names() -> tuple[str, ...]:
    """Names of the layouts that come with the package."""
    return plugins.names(FOLDER)


def module(name: str) -> ModuleType:
    """Import the module of a layout, by its name or by a dotted name."""
    found: ModuleType = plugins.load(FOLDER, name, "layout")
    return found


def layout_of(folder: Path) -> str | None:
    """Name of the layout of a folder, if it has one."""
    return next((name for name in names() if module(name).is_one(folder)), None)


def read_folder(
    folder: Path | str,
    *,
    test_share: float = 0.5,
    split_seed: int = 0,
    missing: str = "refuse",
    columns: Columns | None = None,
    test: Path | str | None = None,
    trust: bool = False,
) -> Pool:
    """Read a pool from a folder of predictions.

    Parameters
    ----------
    folder : Path or str
    test_share, split_seed, missing, columns, test
        As for `formats.read_predictions`.
    trust : bool
        Open the folder even if that runs code that lies in it.

    Raises
    ------
    InputError
        The folder has no known layout, something in it is invalid, or it runs code and is not trusted.
    """
    policy, folder = Policy.of(missing), Path(folder)
    check_split(test_share, split_seed)
    name = layout_of(folder)
    if name is None:
        known = "; ".join(f"{name}: {module(name).HOLDS}" for name in names())
        raise InputError(f"{folder} holds no finished pool: there is no {folder}/pool.json. Nor is it {known}.")
    layout = module(name)
    if getattr(layout, "RUNS_CODE", False) and not trust:
        raise InputError(
            f"{folder} is of {name}, and opening it runs code that lies in it; if it is yours, say so with --trust (in "
            "Python, trust=True)."
        )
    found: Pool = layout.read(folder, columns or Columns(), test=test, test_share=test_share, split_seed=split_seed)
    source = {**found.source, "kind": name, "name": folder.name, "path": str(folder)}
    try:
        return settle(replace(found, name=one_line(found.name), source=source), policy)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
