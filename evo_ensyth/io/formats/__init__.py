"""Files of predictions: one module per format, found by file suffix.

A format is a module with ``SUFFIXES``, a function ``read`` and, if the format can be written, a function ``write``. For
example, ``csv.py``, for files with one column per member and a column called ``truth``::

    SUFFIXES = (".csv",)

    def read(path, *, test_share, split_seed):
        # Integers; all samples go to the search split.
        table = np.genfromtxt(path, delimiter=",", names=True, dtype=int)
        members = {name: table[name] for name in table.dtype.names if name != "truth"}
        return Pool.from_predictions(members, table["truth"], name=path.stem)

``read`` raises `InputError`, naming the file, for any invalid content, and never executes anything in the file. Where a
member has no answer, the label is -1; `read_predictions` then applies the policy for missing answers.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool
from evo_ensyth.pool.missing import Policy, settle

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


def read_predictions(
    path: Path | str, *, test_share: float = 0.5, split_seed: int = 0, missing: str = "refuse"
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
    if not 0 <= test_share < 1:
        raise InputError(f"the test share is {test_share:g}; it must be at least 0 and below 1.")
    if split_seed < 0:
        raise InputError(f"the seed of the split is {split_seed}; it must be 0 or more.")
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} {'is not a regular file' if path.exists() else 'does not exist'}.")
    read: Callable[..., Pool] = _format_of(path).read
    found = read(path, test_share=test_share, split_seed=split_seed)
    try:
        return settle(found, policy)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


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


def _format_of(path: Path) -> ModuleType:
    known = suffixes()
    if path.suffix.lower() not in known:
        raise InputError(
            f"{path} has the suffix '{path.suffix}'; files of predictions have {', '.join(sorted(known))}."
        )
    return known[path.suffix.lower()]
