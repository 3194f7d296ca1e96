"""Files of a Kaggle folder: which model each one is of, and its predictions, joined to given rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.io.formats import read_table, table_suffixes
from evo_ensyth.pool.classes import Classes
from evo_ensyth.pool.table import Table, listed

OOF, SUBMISSION = "oof", "submission"
ROLES = {"oof": OOF, "sub": SUBMISSION, "submission": SUBMISSION, "test": SUBMISSION}
TRAIN, SAMPLE = "train", "sample_submission"
WORDS = "|".join(ROLES)
NAMED = re.compile(rf"(?P<before>{WORDS})[_-](?P<name>.+)|(?P<same>.+)[_-](?P<after>{WORDS})")
# Columns that hold the predictions, where others lie beside them.
USUAL = ("prediction", "pred", "oof")


@dataclass(frozen=True)
class Rows:
    """Rows to which predictions are joined.

    Attributes
    ----------
    name : str
        Of the file whose rows they are, for messages.
    n_rows : int
    id : str, optional
        What identifies a row, if anything does.
    ids : sequence of n_rows str
    """

    name: str
    n_rows: int
    id: str | None = None
    ids: Sequence[str] = ()

    @classmethod
    def of(cls, table: Table, id: str | None) -> "Rows":
        """Rows of a table, with their ids if there are any."""
        if id is None:
            return cls(table.name, len(table.column(table.columns[0])))
        ids = [_text(value) for value in table.ids(id).tolist()]
        return cls(table.name, len(ids), id, ids)


@dataclass
class Joined:
    """Predictions of one file, joined to rows.

    Attributes
    ----------
    values : (n_rows,) or (n_rows, n_classes)
        Labels or chances, or a column for each class; None or NaN where the file has no such row.
    notes : list of str
        What to know about how the file was read.
    missing : str, optional
        A row, by its id, that the file does not have.
    """

    values: np.ndarray
    notes: list[str] = field(default_factory=list)
    missing: str | None = None


def files_of(folder: Path) -> dict[str, dict[str, Path]]:
    """Files of each model, sorted by name: ``oof``, ``submission``, or both.

    Raises
    ------
    InputError
        Two files have one meaning.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.suffix.lower() not in (*table_suffixes(), ".npy") or not path.is_file():
            continue
        name, role = _meaning(path, folder)
        if role is None:
            continue
        other = found.setdefault(name, {}).setdefault(role, path)
        if other != path:
            raise InputError(f"{other} and {path} are both the {role} predictions of '{name}'; remove one.")
    # A folder such as data/, with a test.csv, is no model.
    there = {name: files for name, files in found.items() if OOF in files or not _inside(files, folder)}
    return dict(sorted(there.items()))


def table_called(folder: Path, stem: str) -> Table | None:
    """Open the table of this name, with any suffix, if there is one."""
    paths = [folder / f"{stem}{suffix}" for suffix in table_suffixes()]
    return next((read_table(path) for path in paths if path.is_file()), None)


def joined(path: Path, name: str, rows: Rows, classes: Classes, others: Sequence[str | None]) -> Joined:
    """Read the predictions in a file and join them to rows.

    Parameters
    ----------
    path : Path
    name : str
        Of the model.
    rows : Rows
    classes : tuple of labels
    others : sequence of str
        Columns that hold something else, such as the true classes.

    Raises
    ------
    InputError
        The file cannot be read, or its rows or columns do not fit; the message names it.
    """
    if path.suffix.lower() == ".npy":
        return Joined(_array(path, rows, classes))
    table = read_table(path)
    of_class = class_columns(table.columns, classes)
    used = list(of_class.values()) or [_single(table, name, rows, others)]
    columns = [table.column(column) for column in used]
    notes = [
        f"{path.name}: column '{column}' is not used."
        for column in table.columns
        if column not in (*used, rows.id, *others)
    ]
    if rows.id is None or rows.id not in table.columns:
        _check_length(path, len(columns[0]), rows)
        if rows.id is not None:
            notes.append(f"{path.name} has no column '{rows.id}'; its rows are taken in the order of {rows.name}.")
        return Joined(_stacked(columns, bool(of_class)), notes)
    place = {_text(value): row for row, value in enumerate(table.ids(rows.id).tolist())}
    places = np.array([place.pop(id, -1) for id in rows.ids], np.int64)
    if place:
        notes.append(f"{path.name}: {len(place):,} rows, such as '{next(iter(place))}', are not in {rows.name}.")
    missing = None if (places >= 0).all() else rows.ids[int((places < 0).argmax())]
    return Joined(_stacked([_taken(column, places) for column in columns], bool(of_class)), notes, missing)


def class_columns(columns: Sequence[str], classes: Classes) -> dict[str, str]:
    """Column of each class, by the class as text: a common beginning, then the class. Empty if there are none."""
    texts = list(map(str, classes))
    for column in columns:
        if len(texts) > 1 and column.endswith(texts[0]):
            start = column.removesuffix(texts[0])
            if all(start + text in columns for text in texts):
                return {text: start + text for text in texts}
    return {}


def _meaning(path: Path, folder: Path) -> tuple[str, str | None]:
    """Name of the model, and what the file holds; None if it is no such file."""
    if path.parent != folder:
        return path.parent.name, ROLES.get(path.stem)
    found = NAMED.fullmatch(path.stem)
    if found is None or path.stem == SAMPLE:
        return "", None
    return found["name"] or found["same"], ROLES[found["before"] or found["after"]]


def _inside(files: Mapping[str, Path], folder: Path) -> bool:
    """Whether all files lie in a folder inside this one."""
    return all(path.parent != folder for path in files.values())


def _single(table: Table, name: str, rows: Rows, others: Sequence[str | None]) -> str:
    """Name of the column with the predictions, where there is only one."""
    rest = [column for column in table.columns if column != rows.id]
    own = [column for column in rest if column not in others] or rest
    usual = [column for column in own if column.lower() in (*USUAL, name.lower())]
    if len(own) > 1 and len(usual) != 1:
        raise InputError(
            f"{table.name} has the columns {listed(table.columns)}; expected one with predictions, called 'prediction' "
            "if there are others, or a column for each class."
        )
    if not own:
        raise InputError(f"{table.name} has no column with predictions, only {listed(table.columns)}.")
    return own[0] if len(own) == 1 else usual[0]


def _array(path: Path, rows: Rows, classes: Classes) -> np.ndarray:
    try:
        values: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read as an array of numpy: {error}.") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2):
        raise InputError(f"{path} has shape {np.shape(values)}; expected (n_rows,) or (n_rows, n_classes).")
    _check_length(path, len(values), rows)
    if values.ndim == 2 and values.shape[1] == 1:
        return np.asarray(values[:, 0])
    if values.ndim == 2 and values.shape[1] != len(classes):
        raise InputError(f"{path} has {values.shape[1]} columns; there are {len(classes)} classes, {listed(classes)}.")
    return values


def _check_length(path: Path, n_rows: int, rows: Rows) -> None:
    if n_rows != rows.n_rows:
        raise InputError(f"{path} has {n_rows:,} rows and no ids to join them by; {rows.name} has {rows.n_rows:,}.")


def _taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values at some places; None, or NaN among numbers with fractions, where the place is -1."""
    if (places >= 0).all():
        return np.asarray(values[places])
    found = values.astype(values.dtype if values.dtype.kind == "f" else object)[places]
    found[places < 0] = np.nan if found.dtype.kind == "f" else None
    return np.asarray(found)


def _stacked(columns: Sequence[np.ndarray], of_classes: bool) -> np.ndarray:
    return np.stack(columns, axis=1) if of_classes else columns[0]


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def as_columns(name: str, values: np.ndarray, classes: Classes, separator: str) -> Mapping[str, np.ndarray]:
    """Columns of a table for the predictions of a model: one, or one for each class."""
    if values.ndim == 1:
        return {name: values}
    return {f"{name}{separator}{label}": column for label, column in zip(classes, values.T, strict=True)}
