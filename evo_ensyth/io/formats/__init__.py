"""Files of predictions, one module a format, found by the suffix of the file.

A format is a module with ``SUFFIXES``, a function ``read`` and, if the format can be written, a function ``write``. For
example, ``csv.py``, for files with a column a member and one called ``truth``::

    SUFFIXES = (".csv",)

    def read(path, *, test_share, split_seed):
        # Whole numbers; all of them for the search split.
        table = np.genfromtxt(path, delimiter=",", names=True, dtype=int)
        members = {name: table[name] for name in table.dtype.names if name != "truth"}
        return Pool.from_predictions(members, table["truth"], name=path.stem)

``read`` raises `InputError` for whatever is wrong, names the file, and never runs what lies in it.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool

FOLDER = "evo_ensyth.io.formats"


def names() -> tuple[str, ...]:
    """Names of the formats that come with the package."""
    return plugins.names(FOLDER)


def module(name: str) -> ModuleType:
    """Module of a format; a dotted name is imported as it stands."""
    found: ModuleType = plugins.load(FOLDER, name, "format")
    return found


def suffixes() -> dict[str, ModuleType]:
    """Suffix of a file to the module of its format."""
    return {suffix: found for found in map(module, names()) for suffix in found.SUFFIXES}


def read_predictions(path: Path | str, *, test_share: float = 0.5, split_seed: int = 0) -> Pool:
    """Read a pool from a file of predictions, in the format that its suffix names.

    Parameters
    ----------
    path : Path or str
    test_share : float
        Share of the samples that become the test split, where the file does not come split; 0 for none.
    split_seed : int
        Seed of that split: the first ``round(test_share * n_samples)`` of
        ``numpy.random.default_rng(split_seed).permutation(n_samples)`` are the test samples.

    Returns
    -------
    Pool
        Its ``source`` records the file's digest and, where the split was made here, ``test_share``, ``split_seed`` and
        ``test_samples``: which samples became the test split.

    Raises
    ------
    InputError
        No format has this suffix, or something is wrong with the file; the message names it and what was expected.
    """
    if not 0 <= test_share < 1:
        raise InputError(f"the test share is {test_share:g}; it must be at least 0 and below 1.")
    if split_seed < 0:
        raise InputError(f"the seed of the split is {split_seed}; it must be 0 or more.")
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} {'is no regular file' if path.exists() else 'does not exist'}.")
    read: Callable[..., Pool] = _format_of(path).read
    return read(path, test_share=test_share, split_seed=split_seed)


def write_predictions(path: Path | str, pool: Pool, **options: Any) -> None:
    """Write the predictions of a pool into a file, in the format that its suffix names, whole or not at all.

    Parameters
    ----------
    path : Path or str
    pool : Pool
    **options
        Of the format, such as ``with_scores`` of ``.npz``.

    Raises
    ------
    InputError
        No format with this suffix can be written, or the file cannot be written there.
    """
    path = Path(path)
    write: Callable[..., None] | None = getattr(_format_of(path), "write", None)
    if write is None:
        raise InputError(f"{path}: files with the suffix '{path.suffix}' can be read, but not written.")
    write(path, pool, **options)


def _format_of(path: Path) -> ModuleType:
    known = suffixes()
    if path.suffix.lower() not in known:
        raise InputError(
            f"{path} has the suffix '{path.suffix}'; files of predictions have {', '.join(sorted(known))}."
        )
    return known[path.suffix.lower()]
