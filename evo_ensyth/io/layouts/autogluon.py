"""The folder of an AutoGluon predictor, as ``TabularPredictor`` saves it. Opening it unpickles what lies in it.

::

    predictor.pkl  learner.pkl  models/  utils/

The search split has the out-of-fold scores or, where AutoGluon held rows out, those of these rows; a table of fresh
rows may be given for the test split. AutoGluon itself opens the folder, so it must be installed, and the user must say
that the folder is to be trusted.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool
from evo_ensyth.pool.tables import Columns, refuse_columns

HOLDS = "predictor.pkl with learner.pkl"
RUNS_CODE = True


def is_one(folder: Path) -> bool:
    """Whether it is a predictor's folder."""
    return (folder / "predictor.pkl").is_file() and (folder / "learner.pkl").is_file()


def read(folder: Path, columns: Columns, *, test: Path | str | None, test_share: float, split_seed: int) -> Pool:
    """Read what the models of a predictor predict; parameters as for `layouts.read_folder`.

    Without a table for the test, rows are split at random.
    """
    refuse_columns(folder, columns)
    if test is not None and not Path(test).is_file():
        raise InputError(f"{test} does not exist.")
    if find_spec("autogluon") is None or find_spec("autogluon.tabular") is None:
        raise InputError(f"{folder} is opened by AutoGluon, which is not installed; run: pip install autogluon.tabular")
    library: Any = import_module("autogluon.tabular")
    try:
        predictor = library.TabularPredictor.load(str(folder), verbosity=0)
        data = None if test is None else library.TabularDataset(str(test))
    except Exception as error:  # AutoGluon raises nearly anything
        raise InputError(f"{folder} cannot be opened by AutoGluon: {type(error).__name__}: {error}") from error
    try:
        pool = Pool.from_autogluon(predictor, test=data, name=folder.resolve().name)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    return pool if data is not None else pool.split(test_share, split_seed)
