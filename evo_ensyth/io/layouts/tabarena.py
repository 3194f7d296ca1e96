"""One task of a repository of TabArena or TabRepo: scores of many models on a validation and a test split.

::

    metadata.json                          models, pred_val_shape, pred_test_shape, dtype
    pred-val.dat  pred-test.dat            scores as they lie in memory, float32 or float16
    label-val.csv.zip  label-test.csv.zip  true classes, after a column of row numbers; or both in
    labels.dat                             length of a header in JSON, header, labels of both splits

The folder of a task is ``REPOSITORY/model_predictions/DATASET/FOLD``. Scores have the shape (n_models, n_samples,
n_classes), or (n_models, n_samples) for the chance of the second of two classes. Classes are numbered from 0. The
validation split is the search split. Scores are mapped from the files, not read into memory.

Times of the models are in ``REPOSITORY/configs.parquet``, where there is one, with a row for each dataset, fold and
framework: they become the costs ``fit_s`` and ``ms_per_row``.
"""

import csv
import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json
from evo_ensyth.io.formats import read_table
from evo_ensyth.pool import Pool
from evo_ensyth.pool.table import listed
from evo_ensyth.pool.tables import Columns, refuse_columns

HOLDS = "metadata.json with pred-val.dat, in a folder such as model_predictions/DATASET/FOLD"
PREDICTIONS = "model_predictions"
TIMES = "configs.parquet"
SPLITS = ("val", "test")
DTYPES = ("float16", "float32")
VERSION = 1  # of labels.dat
MOST_LABEL_BYTES = 2**32


def is_one(folder: Path) -> bool:
    """Whether it is the folder of a task, or one above."""
    return _is_task(folder) or (folder / PREDICTIONS).is_dir() or any(map(_is_task, folder.glob("*")))


def read(folder: Path, columns: Columns, *, test: Path | str | None, test_share: float, split_seed: int) -> Pool:
    """Read a task; parameters as for `layouts.read_folder`. It comes split, so the last two are not used."""
    if not _is_task(folder):
        tasks = [str(path.parent) for path in sorted(folder.glob("**/pred-val.dat"))]
        raise InputError(f"{folder} holds {len(tasks):,} tasks; give the folder of one: {listed(tasks[:4]) or 'none'}.")
    refuse_columns(folder, columns, test)
    about = _Metadata(folder / "metadata.json")
    labels = _labels(folder)
    search, held_out = ((dict(zip(about.models, about.scores(split), strict=True)), labels[split]) for split in SPLITS)
    try:
        name = f"{folder.resolve().parent.name}-{folder.name}"
        pool = Pool.from_predictions(*search, test=held_out, classes=about.classes, missing="abstain", name=name)
        return _with_times(pool, folder.resolve(), about.shapes["test"][1])
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


class _Metadata:
    """What ``metadata.json`` says, checked field by field."""

    def __init__(self, path: Path) -> None:
        self.path, content = path, read_json(path)
        if not isinstance(content, Mapping):
            raise InputError(f"{path} holds no object.")
        self.content = content
        self.models = self._field("models", lambda v: isinstance(v, list) and v and all(isinstance(x, str) for x in v))
        self.dtype = self._field("dtype", lambda v: v in DTYPES)
        self.shapes = {split: self._shape(f"pred_{split}_shape") for split in SPLITS}
        if self.shapes["val"][2] != self.shapes["test"][2]:
            raise InputError(f"{path}: 'pred_val_shape' and 'pred_test_shape' end differently.")

    @property
    def classes(self) -> list[int]:
        """Classes of the columns, of which one alone is the second of two."""
        return list(range(max(self.shapes["val"][2], 2)))

    def scores(self, split: str) -> np.ndarray:
        """Map the scores of a split: (n_models, n_samples, n_classes)."""
        path, shape = self.path.with_name(f"pred-{split}.dat"), self.shapes[split]
        expected = math.prod(shape) * np.dtype(self.dtype).itemsize
        size = path.stat().st_size if path.is_file() else None
        if size != expected:
            found = "is not there" if size is None else f"has {size:,} bytes"
            raise InputError(f"{path} {found}; 'pred_{split}_shape' in {self.path.name} asks for {expected:,}.")
        return np.memmap(path, dtype=self.dtype, mode="r", shape=shape)

    def _shape(self, name: str) -> tuple[int, int, int]:
        def is_shape(value: Any) -> bool:
            whole = isinstance(value, list) and len(value) in (2, 3) and all(type(n) is int and n > 0 for n in value)
            return whole and value[0] == len(self.models)

        shape = self._field(name, is_shape)
        return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)

    def _field(self, name: str, is_right: Any) -> Any:
        value = self.content.get(name)
        if not is_right(value):
            told = json.dumps(value)[:60]
            raise InputError(f"{self.path}: field '{name}' is {told}; that is no description of a task.")
        return value


def _is_task(folder: Path) -> bool:
    return (folder / "metadata.json").is_file() and (folder / "pred-val.dat").is_file()


def _with_times(pool: Pool, folder: Path, n_test: int) -> Pool:
    """Give the members the times of the repository as costs, or the pool a note that says why there are none."""
    predictions = folder.parent.parent
    path = predictions.parent / TIMES
    if predictions.name != PREDICTIONS or not path.is_file():
        return pool
    try:
        table = read_table(path)
        here = table.column("dataset").astype(str) == folder.parent.name
        here &= table.column("fold").astype(str) == folder.name
        models = table.column("framework")[here].tolist()
        rows = dict(zip(models, np.flatnonzero(here).tolist(), strict=True))
        if missing := [model for model in pool.names if model not in rows]:
            raise InputError(f"{path} has no row for {listed(missing)} on this task.")
        order = [rows[model] for model in pool.names]
        fit_s, infer_s = (table.column(name)[order].astype(float) for name in ("time_train_s", "time_infer_s"))
        return pool.with_cost("fit_s", fit_s).with_cost("ms_per_row", 1000 * infer_s / n_test)
    except (InputError, ValueError, TypeError) as error:
        note = f"there are no times of the models: {error}"
        return replace(pool, source={**pool.source, "notes": [*pool.notes, note]})


def _labels(folder: Path) -> dict[str, np.ndarray]:
    """True classes of both splits: int64, (n_samples,)."""
    path = folder / "labels.dat"
    found = _of_labels_file(path) if path.is_file() else {split: _of_zip(folder, split) for split in SPLITS}
    for values in found.values():
        if values.dtype.kind not in "biu" and not (values == np.floor(values)).all():
            raise InputError(f"{folder} has true values with fractions: a regression has no classes.")
    return {split: values.astype(np.int64) for split, values in found.items()}


def _of_labels_file(path: Path) -> dict[str, np.ndarray]:
    content = path.read_bytes()
    try:
        length = int.from_bytes(content[:4], "little")
        header, start = json.loads(content[4 : 4 + length]), 4 + length
        if header["version"] != VERSION:
            raise InputError(f"{path} has version {header['version']}; expected {VERSION}.")
        found = {}
        for split in SPLITS:
            dtype = np.dtype(header[split]["dtype"])
            if dtype.kind not in "biuf":
                raise ValueError(f"labels have type {dtype}")
            found[split] = np.frombuffer(content, dtype, header[split]["n"], start)
            start += found[split].nbytes
    except InputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no labels of TabArena: {error}.") from error
    if start != len(content):
        raise InputError(f"{path} has {len(content):,} bytes; its header describes {start:,}.")
    return found


def _of_zip(folder: Path, split: str) -> np.ndarray:
    path = folder / f"label-{split}.csv.zip"
    if not path.is_file():
        raise InputError(f"{folder} has no true classes: there is neither {path.name} nor labels.dat.")
    try:
        with zipfile.ZipFile(path) as archive:
            (entry,) = archive.infolist()
            if entry.file_size > MOST_LABEL_BYTES:
                raise InputError(f"{path} holds {entry.file_size:,} bytes of labels, which is too much.")
            with archive.open(entry) as file:
                rows = list(csv.reader(io.TextIOWrapper(file, "utf-8")))
        return np.array([float(cell) for _, cell in rows[1:]])
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise InputError(f"{path} holds no labels of TabArena: {error}.") from error
