"""Out-of-fold predictions of models for a Kaggle competition, beside their submissions.

::

    train.csv                            ids and true classes; other columns are not used
    sample_submission.csv                what a submission looks like
    oof_NAME.csv  sub_NAME.csv           out-of-fold predictions of a model, and its submission
    NAME/oof.csv  NAME/submission.csv    the same in another way

``NAME_oof``, ``submission_NAME`` and ``test_NAME`` are read too, in tables of any format or ``.npy``. Rows are joined
on ids; a file without ids has the rows of ``train.csv``, or of the sample submission, in the same order. It holds one
column of labels or of chances of the second class, or a column for each class, called like the class or ending in it.
Without ``train.csv``, the first file of out-of-fold predictions has the true classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.io.formats import read_table
from evo_ensyth.io.layouts._kaggle_files import (
    OOF,
    SAMPLE,
    SUBMISSION,
    TRAIN,
    Rows,
    as_columns,
    files_of,
    joined,
    table_called,
)
from evo_ensyth.pool import Pool
from evo_ensyth.pool.classes import Classes, LabelCodes, sorted_labels
from evo_ensyth.pool.table import Table, listed
from evo_ensyth.pool.table_pools import pool_of
from evo_ensyth.pool.tables import ID, TRUTH, Columns

HOLDS = "out-of-fold predictions such as oof_NAME.csv"


def is_one(folder: Path) -> bool:
    """Whether there are out-of-fold predictions."""
    return any(OOF in files for files in files_of(folder).values())


def read(folder: Path, columns: Columns, *, test: Path | str | None, test_share: float, split_seed: int) -> Pool:
    """Read the out-of-fold predictions; parameters as for `layouts.read_folder`."""
    if test is not None or columns.long or columns.scores:
        raise InputError(f"{folder} takes no --test, --long and --scores; the names of its files say what they hold.")
    opened = KaggleFolder(folder, columns)
    table, scores, notes = opened.table()
    meaning = replace(columns, truth=opened.truth, id=opened.id, scores=scores)
    found = pool_of(table, meaning, test_share=test_share, split_seed=split_seed)
    notes += found.notes
    source = {**found.source, "columns": columns.told, **({"notes": notes} if notes else {})}
    return replace(found, name=folder.resolve().name, source=source)


@dataclass(frozen=True)
class KaggleFolder:
    """A folder of out-of-fold predictions and submissions, and what its columns mean."""

    folder: Path
    columns: Columns

    @cached_property
    def files(self) -> dict[str, dict[str, Path]]:
        """Files of each model by what they hold."""
        return files_of(self.folder)

    @cached_property
    def sample(self) -> Table | None:
        """The sample submission."""
        return table_called(self.folder, SAMPLE)

    @cached_property
    def train(self) -> Table:
        """The table with the true classes."""
        first = next(files[OOF] for files in self.files.values() if OOF in files)
        return table_called(self.folder, TRAIN) or read_table(first)

    @property
    def id(self) -> str | None:
        """What identifies a row of the training data."""
        first = self.sample.columns[:1] if self.sample else ()
        return self.columns.id or next((name for name in (*ID, *first) if name in self.train.columns), None)

    @property
    def truth(self) -> str:
        """The column of the true classes: by default the one that the sample submission has."""
        of_sample = self.sample.columns[1:] if self.sample else ()
        found = self.columns.truth or next((n for n in (*TRUTH, *of_sample) if n in self.train.columns), None)
        if found is None:
            raise InputError(
                f"{self.train.name}: name the column of the true classes with --truth (in Python, truth=); there is "
                f"{listed(self.train.columns)}."
            )
        return found

    @cached_property
    def classes(self) -> Classes:
        """Different true classes, sorted."""
        codes = LabelCodes(rows=True)
        codes.add(self.train.column(self.truth), f"{self.train.name}: column '{self.truth}'", holes=False)
        return sorted_labels(codes.labels)

    def table(self) -> tuple[Table, str | None, list[str]]:
        """Out-of-fold predictions as a table with a row for each true class, how its scores are called, and notes."""
        rows = Rows.of(self.train, self.id)
        others = (self.truth, self.columns.groups, self.columns.test_from and self.columns.test_from[0])
        notes, values = [], {}
        for name, files in self.files.items():
            if OOF not in files:
                notes.append(f"{files[SUBMISSION].name}: there are no out-of-fold predictions of '{name}'.")
                continue
            found = joined(files[OOF], name, rows, self.classes, others)
            values[name] = found.values
            notes += found.notes
        separator = self._separator(list(values))
        columns: dict[str, np.ndarray] = {}
        with_classes = any(each.ndim == 2 for each in values.values())
        for name, each in values.items():
            if with_classes and each.ndim == 1:
                each = self._both_classes(name, each)
            columns |= as_columns(name, each, self.classes, separator)
        own = tuple(name for name in self.train.columns if name not in columns)
        read = lambda name: columns[name] if name in columns else self.train.read(name)  # noqa: E731
        table = Table(str(self.folder), (*own, *columns), read, tuple(columns))
        return table, f"NAME{separator}CLASS" if with_classes else None, notes

    def _both_classes(self, name: str, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind != "f" or len(self.classes) != 2:
            other = next(member for member in self.files if member != name)
            raise InputError(
                f"{self.files[name][OOF]} holds one column, and others, such as that of '{other}', one for each class; "
                "give one kind."
            )
        return np.stack([1 - values, values], axis=1)

    def _separator(self, names: Sequence[str]) -> str:
        """What stands between the names of members and classes, and in none of them."""
        separator = "::"
        while any(separator in text for text in (*names, *map(str, self.classes))):
            separator += ":"
        return separator
