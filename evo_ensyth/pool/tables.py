"""Predictions in a table: a column for each member, or for each of its scores, and a row for each sample.

`Columns` says what the columns of a `Table` mean. Tables with a row for each answer become such tables in
`long_tables`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.answers import Answers
from evo_ensyth.pool.classes import LabelCodes
from evo_ensyth.pool.memory import Blocks
from evo_ensyth.pool.missing import absent, is_absent
from evo_ensyth.pool.predictions import read_in_memory, scored
from evo_ensyth.pool.table import Table, listed
from evo_ensyth.pool.weights import refuse_weights, refused

TRUTH = ("truth", "y_true")
ID = ("id",)
GROUPS = ("groups", "group")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean.

    Attributes
    ----------
    truth : str, optional
        True classes; by default the column ``truth`` or ``y_true``. Of a long table it may be one of the members.
    members : sequence of str
        Names of members, or patterns; by default every column without another meaning is a member.
    id : str, optional
        What identifies a sample; by default the column ``id``, if there is one.
    groups : str, optional
        Groups of samples; by default the column ``groups`` or ``group``, if there is one.
    long : (str, str, str), optional
        Columns of sample, member and label, of a table with a row for each answer.
    scores : str, optional
        How columns of scores are called, such as ``NAME__CLASS``.
    test_from : (str, str), optional
        A column and a value: these rows are the test split.
    """

    truth: str | None = None
    members: Sequence[str] = ()
    id: str | None = None
    groups: str | None = None
    long: tuple[str, str, str] | None = None
    scores: str | None = None
    test_from: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.scores is not None and not all(self.scores.count(part) == 1 for part in ("NAME", "CLASS")):
            raise InputError(f"scores is '{self.scores}'; write how columns are called, such as NAME__CLASS.")

    @property
    def told(self) -> dict[str, Any]:
        """What was told, as JSON values."""
        names = ("truth", "id", "groups", "long", "scores", "test_from")
        values = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def table_columns(
    truth: str | None = None,
    members: Sequence[str] = (),
    id: str | None = None,
    groups: str | None = None,
    long: str | Sequence[str] | None = None,
    scores: str | None = None,
    test_from: str | None = None,
    weights: str | None = None,
) -> Columns:
    """Return `Columns` from what a user writes: ``long`` may be ``sample,member,label``, ``test_from`` is ``fold=5``.

    Raises
    ------
    InputError
        One of the two has another form, or there are weights.
    """
    if weights is not None:
        raise refused(weights)
    parts = tuple(part.strip() for part in long.split(",")) if isinstance(long, str) else long and tuple(long)
    if parts is not None and (len(parts) != 3 or not all(parts)):
        raise InputError(f"long is '{','.join(parts)}'; name three columns: sample,member,label.")
    name, separator, value = (test_from or "=").partition("=")
    if test_from is not None and not (name and separator):
        raise InputError(f"test_from is '{test_from}'; write COLUMN=VALUE, such as fold=5.")
    three = None if parts is None else (parts[0], parts[1], parts[2])
    return Columns(truth, tuple(members), id, groups, three, scores, (name, value) if test_from else None)


def refuse_columns(source: object, columns: Columns, test: object = None) -> None:
    """Refuse names of columns, and a file for the test, for a source that says itself what it holds.

    Raises
    ------
    InputError
        Some are given. Members may be: the search selects them.
    """
    if replace(columns, members=()) != Columns() or test is not None:
        raise InputError(
            f"{source} says itself what it holds; only tables take names of columns and a file for the test."
        )


@dataclass(frozen=True)
class TableAnswers:
    """What was found in a table.

    Attributes
    ----------
    names : tuple of str
        Members.
    answers : Answers
    classes : sequence of str, optional
        Of the columns of scores.
    n_columns : int
        Of scores.
    ids : (n_samples,), optional
    is_test : bool, (n_samples,), optional
        Which rows are the test split.
    """

    names: tuple[str, ...]
    answers: Answers
    classes: Sequence[str] | None = None
    n_columns: int = 0
    ids: np.ndarray | None = None
    is_test: np.ndarray | None = None


def read_table(table: Table, columns: Columns, codes: LabelCodes, order: tuple[str, ...] | None = None) -> TableAnswers:
    """Read the members' answers from a table with a row for each sample.

    Parameters
    ----------
    table : Table
    columns : Columns
    codes : LabelCodes
        Takes the labels.
    order : tuple of str, optional
        The members that are wanted, in this order.

    Raises
    ------
    InputError
        A column is missing or holds what it must not; the message names the table and the column.
    """
    roles = _Roles(table, columns)
    y_true = codes.add(table.column(roles.truth), roles.what(roles.truth), holes=False)
    if not len(y_true):
        raise InputError(f"{table.name}: there are no rows.")
    groups = roles.groups()
    found = partial(TableAnswers, ids=roles.ids(), is_test=roles.is_test())
    if columns.scores:
        names, classes, scores = _scores(roles, columns.scores, order)
    else:
        names, classes = order or roles.members(roles.candidates), None
        labels = _labels(roles, names, codes, y_true)
        if labels is not None:
            return found(names, Answers(y_true, labels, groups=groups))
        scores = [roles.numbers(name)[:, None] for name in names]
    both = [scored(values, f"{table.name}: '{name}'") for name, values in zip(names, scores, strict=True)]
    read_scores = partial(read_in_memory, [values for values, _ in both])
    highest = [each for _, each in both]
    answers = Answers(y_true, highest, by_column=True, read_scores=read_scores, groups=groups)
    return found(names, answers, classes, scores[0].shape[1])


@dataclass(frozen=True)
class _Roles:
    """Which column of a table has which meaning."""

    table: Table
    columns: Columns

    def what(self, name: str) -> str:
        return f"{self.table.name}: column '{name}'"

    @property
    def truth(self) -> str:
        found = self._role(self.columns.truth, TRUTH)
        if found is None:
            there = listed(self.table.columns)
            raise InputError(
                f"{self.table.name}: name the column of the true classes with --truth (in Python, truth=); there is "
                f"{there}."
            )
        return found

    def ids(self) -> np.ndarray | None:
        name = self._role(self.columns.id, ID)
        return None if name is None else self.table.ids(name)

    def groups(self) -> np.ndarray | None:
        name = self._role(self.columns.groups, GROUPS)
        if name is None:
            return None
        values = self.table.column(name)
        missing = absent(values)
        if missing.any():
            row = int(missing.argmax()) + 1
            raise InputError(f"{self.what(name)} has no value for row {row}; give every sample a group.")
        return values

    def is_test(self) -> np.ndarray | None:
        if self.columns.test_from is None:
            return None
        name, wanted = self.columns.test_from
        codes = LabelCodes(rows=True)
        values = codes.add(self.table.column(name), self.what(name))
        texts = list(map(str, codes.labels))
        if wanted not in texts:
            raise InputError(f"{self.what(name)} is '{wanted}' in no row; there is {listed(sorted(texts))}.")
        found: np.ndarray = values == texts.index(wanted) + 1
        return found

    @property
    def candidates(self) -> tuple[str, ...]:
        """Columns that may be members."""
        taken = {self.truth, self._role(self.columns.id, ID), self._role(self.columns.groups, GROUPS)}
        taken.add(self.columns.test_from[0] if self.columns.test_from else None)
        there = self.table.columns if self.table.candidates is None else self.table.candidates
        return tuple(name for name in there if name not in taken)

    def members(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of some names that were asked for."""
        patterns = tuple(self.columns.members) or ("*",)
        if not self.columns.members:
            refuse_weights(names, f"{self.table.name}: column ")
        for pattern in patterns:
            if not any(matches(name, pattern, names) for name in names):
                raise InputError(f"{self.table.name}: no member's name matches '{pattern}'; there is {listed(names)}.")
        return tuple(name for name in names if any(matches(name, pattern, names) for pattern in patterns))

    def numbers(self, name: str) -> np.ndarray:
        values = self.table.column(name)
        if values.dtype.kind == "O":
            values = np.array([np.nan if is_absent(value) else value for value in values.tolist()])
        if values.dtype.kind not in "biuf":
            raise InputError(
                f"{self.what(name)} holds text; scores are numbers. Choose those that are members with --members."
            )
        return values.astype(float) if values.dtype.kind == "b" else values

    def _role(self, name: str | None, defaults: Sequence[str]) -> str | None:
        return name or next((default for default in defaults if default in self.table.columns), None)


def matches(name: str, pattern: str, names: Sequence[str]) -> bool:
    """Whether a name matches a pattern with ``*``, ``?`` and ``[...]``; one of the names matches nothing but itself."""
    return name == pattern if pattern in names else fnmatchcase(name, pattern)


def _labels(roles: _Roles, names: Sequence[str], codes: LabelCodes, y_true: np.ndarray) -> list[np.ndarray] | None:
    """Codes of the members' labels; None, with nothing added to ``codes``, if the columns are chances."""
    trial, rows, n_true, blocks = codes.copy(), [], len(codes), Blocks("what members predict", len(names) * len(y_true))
    for name in names:
        values = roles.table.column(name)
        if are_chances(values):
            return None
        try:
            rows.append(blocks.kept(trial.add(values, roles.what(name))))
        except InputError as error:
            raise InputError(f"{error} Choose the columns that are members with --members.") from None
        seen = np.zeros(len(trial), bool)
        seen[rows[-1]] = True
        n_different = int(seen.sum())
        if n_different > max(2 * n_true + 10, len(y_true) // 2):
            raise InputError(
                f"{roles.what(name)} has {n_different:,} different values in {len(y_true):,} rows and is no member; "
                "choose those that are with --members, or name it with --id."
            )
    codes.take(trial)
    return rows


def are_chances(values: np.ndarray) -> bool:
    """Whether the values of a column, (n_rows,), are chances of the second of two classes rather than labels."""
    if values.dtype.kind != "f":
        return False
    given = values[~np.isnan(values)]
    return bool(((given >= 0) & (given <= 1)).all() and (given != np.floor(given)).any())


def _scores(
    roles: _Roles, template: str, order: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Sequence[str], list[np.ndarray]]:
    """Names of the members, of the classes, and the scores of each member, (n_samples, n_classes)."""
    pattern = re.escape(template).replace("NAME", "(?P<name>.+)").replace("CLASS", "(?P<class>.+)")
    places: dict[str, dict[str, str]] = {}
    for column in roles.candidates:
        if found := re.fullmatch(pattern, column, re.DOTALL):
            places.setdefault(found["name"], {})[found["class"]] = column
    if not places:
        there = listed(roles.candidates)
        raise InputError(f"{roles.table.name}: no column is called like '{template}'; there is {there}.")
    names = order or roles.members(tuple(places))
    classes = list(places.get(names[0], {}))
    scores = []
    for name in names:
        of_class = places.get(name, {})
        if set(of_class) != set(classes):
            other = f"'{names[0]}' for {listed(classes)}"
            raise InputError(
                f"{roles.table.name}: '{name}' has scores for {listed(list(of_class)) or 'no class'}, and {other}."
            )
        scores.append(np.stack([roles.numbers(of_class[label]) for label in classes], axis=1))
    return names, classes, scores
