"""Submissions to a Kaggle competition: what an ensemble answers where its members submitted something."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import write_whole
from evo_ensyth.io.formats import read_table
from evo_ensyth.io.layouts import kaggle, layout_of
from evo_ensyth.io.layouts._kaggle_files import (
    OOF,
    SAMPLE,
    SUBMISSION,
    Rows,
    class_columns,
    files_of,
    joined,
    table_called,
)
from evo_ensyth.pool.classes import Classes, plain_label
from evo_ensyth.pool.scores import both_columns
from evo_ensyth.pool.table import Table, listed
from evo_ensyth.pool.tables import Columns, are_chances, matches
from evo_ensyth.results.ensemble import Ensemble


@dataclass(frozen=True)
class Submission:
    """A file to be written, with the ids and the columns of the sample submission.

    Checks itself when built: whatever can be wrong about the file is found before a search begins.

    Attributes
    ----------
    path : Path
        A new file, ``NAME.csv``.
    folder : Path
        The Kaggle folder with the members' submissions.
    columns : Columns
        What the columns of its tables mean.

    Raises
    ------
    InputError
        The path cannot be written, or the folder has no submissions.
    """

    path: Path
    folder: Path
    columns: Columns

    def __post_init__(self) -> None:
        if self.path.suffix != ".csv":
            raise InputError(f"{self.path} does not end with .csv; name the submission so.")
        if self.path.exists():
            raise InputError(f"{self.path} is there already; remove it, or name another file.")
        if not self.path.parent.is_dir():
            raise InputError(f"{self.path.parent} is no folder; create it, or name another file.")
        if not self.folder.is_dir() or layout_of(self.folder) != "kaggle":
            raise InputError(f"{self.folder} is no folder with {kaggle.HOLDS}, and has no submissions to vote.")
        lacking = next((name for name, path in self._files.items() if path is None), None)
        if lacking is not None:
            raise InputError(
                f"{self.folder} has no submission of '{lacking}', such as sub_{lacking}.csv; add it, or choose others "
                "with --members."
            )

    def check(self, classes: Classes) -> None:
        """Read what all members submitted, so that whatever is wrong with it is found before a search.

        Raises
        ------
        InputError
            As for `write`.
        """
        self._answers(tuple(self._files), classes)

    def write(self, ensemble: Ensemble) -> None:
        """Write what an ensemble answers.

        Rows have the order of the sample submission. A column for each class gets the class's share of the vote; one
        column gets the label, or the share of the second class if the members submitted chances.

        Raises
        ------
        InputError
            A member's submission cannot be read, lacks a row, or does not fit the vote.
        """
        sample, classes = self._sample, ensemble.classes
        found, single = self._answers(ensemble.members, classes)
        chances = next(iter(found.values())).ndim == 2
        targets, target = class_columns(sample.columns, classes), sample.columns[-1]
        if targets:
            shares = dict(zip(map(str, classes), ensemble.predict_proba(found).T, strict=True))
            values = {column: shares[label] for label, column in targets.items()}
        elif chances and len(classes) == 2 and (single or are_chances(sample.column(target))):
            values = {target: ensemble.predict_proba(found)[:, 1]}
        else:
            values = {target: ensemble.predict(found)}
        columns = [values[name].tolist() if name in values else self._rows.ids for name in sample.columns]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([sample.columns, *zip(*columns, strict=True)])
        write_whole(self.path, text.getvalue().encode())

    @cached_property
    def _files(self) -> dict[str, Path | None]:
        """Submissions of the members that may be in an ensemble."""
        files, patterns = files_of(self.folder), self.columns.members or ("*",)
        members = [name for name in files if OOF in files[name]]
        asked = [name for name in members if any(matches(name, pattern, members) for pattern in patterns)]
        return {name: files[name].get(SUBMISSION) for name in asked}

    @cached_property
    def _sample(self) -> Table:
        tables = (path for path in self._files.values() if path is not None and path.suffix != ".npy")
        found = table_called(self.folder, SAMPLE) or next(map(read_table, tables), None)
        if found is None or len(found.columns) < 2:
            raise InputError(f"{self.folder} needs a {SAMPLE}.csv with the ids and the columns of a submission.")
        return found

    @cached_property
    def _rows(self) -> Rows:
        first, *rest = self._sample.columns
        return Rows.of(self._sample, self.columns.id if self.columns.id in rest else first)

    def _answers(self, members: Sequence[str], classes: Classes) -> tuple[dict[str, np.ndarray], bool]:
        """What members submitted, and whether it was one column each.

        These are labels, (n_rows,), of all members, or chances, (n_rows, n_classes).
        """
        columns = self._sample.columns
        if len(columns) != 2 and not class_columns(columns, classes):
            raise InputError(
                f"{self._sample.name} has the columns {listed(columns)}; expected ids, then one column, or one for "
                "each class."
            )
        found = {name: self._submitted(name, classes) for name in members}
        single = all(values.ndim == 1 for values in found.values())
        if single and not any(are_chances(values) for values in found.values()):
            self._check_labels(found, classes)
            return found, single
        return {name: self._of_classes(name, values) for name, values in found.items()}, single

    def _submitted(self, name: str, classes: Classes) -> np.ndarray:
        path = self._files[name]
        assert path is not None  # checked when built
        found = joined(path, name, self._rows, classes, ())
        if found.missing is not None:
            raise InputError(f"{path} has no row for '{found.missing}', which {self._sample.name} has; add it.")
        return found.values

    def _of_classes(self, name: str, values: np.ndarray) -> np.ndarray:
        """Chances of each class: (n_rows, n_classes)."""
        if values.ndim == 1 and values.dtype.kind not in "fiu":
            raise InputError(f"{self._files[name]} holds labels, and other submissions hold chances; give one kind.")
        return values if values.ndim == 2 else both_columns(values[:, None], str(self._files[name]))

    def _check_labels(self, found: Mapping[str, np.ndarray], classes: Classes) -> None:
        known = {str(label) for label in classes}
        for name, values in found.items():
            labels = {plain_label(label) for label in values.tolist()}
            unknown = next((label for label in labels if label is not None and str(label) not in known), None)
            if unknown is not None:
                raise InputError(f"{self._files[name]} holds {unknown!r}; the true classes are {listed(classes)}.")
