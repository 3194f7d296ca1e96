"""Classes of any kind: whole numbers, booleans or text, one order for them, and the codes that stand for them.

Labels get a code when they first occur, so that predictions can be read column by column. Once all are read, `ordered`
gives each class its place: classes are sorted as numbers if all labels are whole numbers, otherwise as text. A pool
counts in places; its tables and predictions show the classes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.labels import MOST_CLASSES, NO_ANSWER
from evo_ensyth.pool.missing import is_absent

Label = bool | int | str
Classes = tuple[Label, ...]

WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")  # and not 007, which may be a name
SHOWN = 10
# Labels of a smaller range are looked up in a table instead of being sorted.
NARROW = 2**16


class LabelCodes:
    """The labels that have occurred so far; code 0 stands for no answer.

    Parameters
    ----------
    rows : bool
        Whether messages count rows from 1, as in a table, rather than samples from 0.
    """

    def __init__(self, *, rows: bool = False) -> None:
        self._rows = rows
        self._codes: dict[Label, int] = {}
        self._only_booleans = True

    def __len__(self) -> int:
        """Number of codes, with that for no answer."""
        return len(self._codes) + 1

    def copy(self) -> "LabelCodes":
        """Return codes for the same labels, to which others can be added."""
        found = LabelCodes(rows=self._rows)
        found._codes, found._only_booleans = dict(self._codes), self._only_booleans
        return found

    def take(self, other: "LabelCodes") -> None:
        """Take over the labels of codes that began as a copy of these."""
        self._codes, self._only_booleans = other._codes, other._only_booleans

    @property
    def labels(self) -> list[Label]:
        """The labels, in the order of their codes from 1; booleans only if all of them are."""
        if self._only_booleans:
            return [bool(label) for label in self._codes]
        return [int(label) if isinstance(label, bool) else label for label in self._codes]

    def add(self, values: Any, what: str, *, holes: bool = True) -> np.ndarray:
        """Return the codes of labels: uint8 or larger, of the same shape, (n,).

        Parameters
        ----------
        values : (n,) whole numbers, floats that are whole, booleans or text
            Missing values are None, NaN, pandas' NA, masked entries and empty text.
        what : str
            Begins the messages.
        holes : bool
            Whether values may be missing.

        Raises
        ------
        InputError
            A value is no label, or missing where it must not be, or there are too many labels.
        """
        if np.ma.isMaskedArray(values):
            there = ~np.ma.getmaskarray(values)
            codes = np.zeros(len(there), np.int64)
            codes[there] = self.add(np.ma.getdata(values)[there], what)
        else:
            data = _array(values) if isinstance(values, list) else np.asarray(values)
            codes = self._of_objects(data, what) if data.dtype.kind in "OUS" else self._of_numbers(data, what)
        if not holes and not codes.all():
            place = self._place(int(np.flatnonzero(codes == 0)[0]))
            raise InputError(f"{what} has no value for {place}; every sample needs one.")
        if len(self._codes) > MOST_CLASSES:
            raise InputError(
                f"{what} brings the number of classes to {len(self._codes):,}, and {MOST_CLASSES:,} fit; is it an id?"
            )
        return codes

    def _of_objects(self, data: np.ndarray, what: str) -> np.ndarray:
        values = data.tolist()
        try:
            table = {value: self._code(self._label(value, what, values)) for value in dict.fromkeys(values)}
        except TypeError as error:  # a list, for example
            raise InputError(f"{what} holds something that is no label: {error}.") from error
        return np.fromiter(map(table.__getitem__, values), self._kind, len(values))

    def _of_numbers(self, data: np.ndarray, what: str) -> np.ndarray:
        if data.dtype.kind not in "biuf":
            raise InputError(f"{what} has type {data.dtype}; class labels are whole numbers, booleans or text.")
        if data.dtype.kind == "f":
            with np.errstate(invalid="ignore", over="ignore"):  # signalling NaN; 2**63 as a float16
                absent = np.isnan(data)
                wrong = ~absent & ~((data == np.floor(data)) & (np.abs(data) < 2.0**63))
            if wrong.any():
                raise self._no_label(data[wrong][0].item(), what, data.tolist())
            codes = np.zeros(len(data), np.int64)
            codes[~absent] = self._of_numbers(data[~absent].astype(np.int64), what)
            return codes.astype(self._kind)
        if not len(data):
            return np.zeros(0, self._kind)
        low, high = int(data.min()), int(data.max())
        if high - low >= NARROW:
            different, places = np.unique(data, return_inverse=True)
            return np.array([self._code(value) for value in different.tolist()], self._kind)[places]
        numbers = data.astype(np.int64) if data.dtype.itemsize < 8 else data
        offsets = (numbers - numbers.dtype.type(low)).astype(np.intp)
        seen = np.zeros(high - low + 1, bool)
        seen[offsets] = True
        table = np.zeros(len(seen), np.int64)
        for offset in np.flatnonzero(seen).tolist():
            table[offset] = self._code(bool(offset + low) if data.dtype.kind == "b" else offset + low)
        return np.asarray(table.astype(self._kind)[offsets])

    def _label(self, value: Any, what: str, values: Sequence[Any]) -> Label | None:
        """Return a label as one of Python's own types; None where it is missing."""
        try:
            return plain_label(value)
        except ValueError:
            raise self._no_label(value, what, values) from None

    def _no_label(self, value: Any, what: str, values: Sequence[Any]) -> InputError:
        place = self._place(values.index(value))
        return InputError(f"{what} holds {value!r} ({place}); class labels are whole numbers, booleans or text.")

    def _place(self, sample: int) -> str:
        return f"row {sample + 1}" if self._rows else f"sample {sample}"

    def _code(self, label: Label | None) -> int:
        if label is None:
            return 0
        self._only_booleans &= isinstance(label, bool)
        return self._codes.setdefault(label, len(self._codes) + 1)

    @property
    def _kind(self) -> Any:
        return np.min_scalar_type(len(self._codes))


@dataclass(frozen=True)
class Order:
    """The classes of a pool in their order, and the place of each code and of each column of scores.

    Attributes
    ----------
    classes : tuple of n_classes labels
    rank : int64, (n_codes,)
        Place of each code among the classes; -1 for no answer.
    columns : int64, (n_columns,)
        Place of the class of each column of scores.
    """

    classes: Classes
    rank: np.ndarray
    columns: np.ndarray

    def sorted_columns(self, scores: np.ndarray) -> np.ndarray:
        """Scores, (n_samples, n_columns), with the columns in the order of the classes."""
        if (self.columns[:-1] < self.columns[1:]).all():
            return scores
        return scores[:, np.argsort(self.columns)]


def ordered(codes: LabelCodes, true: Iterable[int], n_columns: int = 0, names: Sequence[Any] | None = None) -> Order:
    """Sort the classes.

    Parameters
    ----------
    codes : LabelCodes
        Of all labels, true and predicted.
    true : codes of the true labels
        The number -1 stands for no answer unless it is true somewhere.
    n_columns : int
        Columns of scores, if there are scores: one per class, or one alone for the second of two classes. Without
        names they are the classes 0, 1, ... or, if the true labels are others, these in order.
    names : sequence of labels, optional
        All classes, in the order of the columns. Labels that are whole numbers may be places in it.

    Raises
    ------
    InputError
        Labels, names and columns do not fit each other.
    """
    labels = codes.labels
    true = set(true)
    named_so = any(_is_minus_one(name) for name in names or ())
    silent = {code for code, label in enumerate(labels, 1) if _is_minus_one(label) and code not in true}
    used = {code: label for code, label in enumerate(labels, 1) if named_so or code not in silent}
    if names is not None:
        named = [plain_label(name) for name in names]
        if None in named or len(set(map(str, named))) < len(named):
            raise InputError("classes must be different names, one per class.")
        used = _by_name(used, [name for name in named if name is not None])
        everything = named
    elif n_columns:
        everything = _of_columns(sorted_labels(used.values()), max(n_columns, 2))
    else:
        everything = list(used.values())
    if (n_columns > 1 and len(everything) != n_columns) or (n_columns == 1 and len(everything) != 2):
        raise InputError(
            f"the scores have {n_columns} columns and there are {len(everything)} classes, {_shown(everything)}."
        )
    classes = sorted_labels(label for label in everything if label is not None)
    place = {_key(label, classes): i for i, label in enumerate(classes)}
    rank = np.full(len(codes), NO_ANSWER, np.int64)
    for code, label in used.items():
        rank[code] = place[_key(label, classes)]
    columns = np.array([place[_key(label, classes)] for label in everything if label is not None], np.int64)
    return Order(classes, rank, columns)


def sorted_labels(labels: Iterable[Label]) -> Classes:
    """Different labels: as numbers if all are whole numbers, otherwise as text, sorted."""
    found = list(labels)
    if all(isinstance(label, bool) for label in found):
        return tuple(sorted(set(found)))
    if all(not isinstance(label, str) or is_whole(label) for label in found):
        return tuple(sorted({int(label) for label in found}))
    return tuple(sorted({str(label) for label in found}))


def plain_label(value: Any) -> Label | None:
    """Return a label as one of Python's own types; None where it is missing.

    Raises
    ------
    ValueError
        It is no label.
    """
    if isinstance(value, str):
        return value if value.strip() else None
    if is_absent(value):
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and float(value).is_integer():
        return int(float(value))
    if isinstance(value, bytes):
        return value.decode()
    raise ValueError(value)


def _by_name(used: dict[int, Label], names: Sequence[Label]) -> dict[int, Label]:
    """Labels as names of classes; whole numbers may be places among names that are text."""
    by_text = {str(name): name for name in names}
    texts = any(isinstance(name, bool) or (isinstance(name, str) and not is_whole(name)) for name in names)
    found = {}
    for code, label in used.items():
        if str(label) in by_text:
            found[code] = by_text[str(label)]
        elif texts and not isinstance(label, str) and 0 <= label < len(names):
            found[code] = names[label]
        else:
            raise InputError(f"the label {label!r} is none of the classes {_shown(names)}.")
    return found


def _of_columns(labels: Classes, n_columns: int) -> list[Label | None]:
    """Classes of columns without names."""
    if all(not isinstance(label, str) and 0 <= label < n_columns for label in labels):
        return list(range(n_columns)) if not labels or not isinstance(labels[0], bool) else [False, True]
    if len(labels) == n_columns:
        return list(labels)
    raise InputError(
        f"the scores have {n_columns} columns and the labels are {_shown(labels)}; give a column for each class and, "
        "where not every class is there, name the classes of the columns."
    )


def _array(values: list[Any]) -> np.ndarray:
    """Values that numpy would turn into text, such as 1 beside 'a', as objects."""
    data = np.asarray(values)
    if data.dtype.kind in "US" and data.ndim == 1:
        return np.fromiter(values, object, len(values))
    return data


def is_whole(text: str) -> bool:
    """Whether text is a whole number as it is usually written: not 007, and not -0."""
    return bool(WHOLE.fullmatch(text)) and text != "-0"


def _is_minus_one(label: Label) -> bool:
    return str(label) == "-1"


def _key(label: Label, classes: Classes) -> Label:
    """Label as it stands among the classes."""
    return str(label) if isinstance(classes[0], str) else int(label)


def _shown(labels: Sequence[Label | None]) -> str:
    some = ", ".join(map(str, labels[:SHOWN]))
    return some if len(labels) <= SHOWN else f"{some} and {len(labels) - SHOWN} more"
