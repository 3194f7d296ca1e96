"""Read predictions from memory: mappings, data frames or arrays, of labels or probabilities."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.labels import MOST_CLASSES, NO_ANSWER
from evo_ensyth.pool.missing import absent, absent_rows
from evo_ensyth.pool.scores import Scores, with_first_class
from evo_ensyth.pool.votes import Votes


def read_split(
    predictions: Any,
    y_true: Any,
    split: str,
    *,
    order: Sequence[str] | None = None,
    least_classes: int = 1,
    groups: np.ndarray | None = None,
) -> tuple[tuple[str, ...], Votes]:
    """Return the names of the members and their votes on one split.

    Parameters
    ----------
    predictions, y_true
        As for `Pool.from_predictions`.
    split : str
        ``search`` or ``test``.
    order : sequence of str, optional
        Put the members in this order if these are their names.
    least_classes : int
        Minimum number of classes; labels or columns may imply more.
    groups : int64, (n_samples,), optional
        Codes of the groups that the samples belong to.

    Raises
    ------
    InputError
        Shapes or values are invalid.
    """
    columns = columns_of(predictions, f"the {split} predictions")
    if not columns:
        raise InputError(f"the {split} predictions hold no member.")
    if order is not None and set(order) == set(columns):
        columns = {name: columns[name] for name in order}
    truth = _labels(y_true, f"the {split} y_true")
    labels, scores = [], []
    for name, column in columns.items():
        what = f"the {split} predictions of '{name}'"
        shape = np.shape(column)
        if len(shape) not in (1, 2) or shape[0] != len(truth):
            raise InputError(f"{what} have shape {shape}; y_true has {len(truth)} samples.")
        if len(shape) == 2:
            values, holes = _with_holes(column, what)
            values = _both_columns(values, what)
            if holes.any():
                values = np.where(holes[:, None], 0, values)
            scores.append(values)
            labels.append(np.where(holes, NO_ANSWER, values.argmax(axis=1)))
        else:
            labels.append(_answers(column, what))
    if scores and len(scores) < len(labels):
        raise InputError(
            f"some members of the {split} predictions give labels and others probabilities; give one kind."
        )
    widths = {values.shape[1] for values in scores}
    if len(widths) > 1:
        raise InputError(f"the {split} probabilities have {min(widths)} to {max(widths)} columns; give one per class.")
    if scores and truth.max() >= max(widths):
        sample = int(np.flatnonzero(truth >= max(widths))[0])
        raise InputError(
            f"the {split} y_true is {truth[sample]} for sample {sample}, and the probabilities have {max(widths)} "
            "columns; give one per class."
        )
    highest = max(int(truth.max()), *(int(row.max()) for row in labels))
    n_classes = max(highest + 1, least_classes, *widths)
    read_scores = partial(_scores, scores, truth, n_classes, split) if scores else None
    return tuple(columns), Votes(np.array(labels), truth, n_classes, split, read_scores, groups)


def columns_of(predictions: Any, what: str) -> dict[str, Any]:
    """Predictions by name of the member."""
    if isinstance(predictions, Mapping):
        return {str(name): column for name, column in predictions.items()}
    if hasattr(predictions, "columns"):
        import narwhals

        try:
            frame = narwhals.from_native(predictions, eager_only=True)
        except TypeError as error:
            raise InputError(f"{what} are no data frame that can be read: {error}.") from error
        return {str(name): frame.get_column(name).to_numpy() for name in frame.columns}
    values = np.asarray(predictions)
    if values.ndim not in (2, 3):
        expected = "(n_members, n_samples) or (n_members, n_samples, n_classes)"
        raise InputError(f"{what} have shape {values.shape}; expected a mapping, or {expected}.")
    width = len(str(max(len(values) - 1, 0)))
    return {f"member-{i:0{width}}": row for i, row in enumerate(values)}


def whole_labels(values: Any, what: str) -> np.ndarray:
    """Class labels as int64, of any shape.

    Raises
    ------
    InputError
        They are not whole numbers, or too small or too large; the message begins with ``what``.
    """
    labels = np.asarray(values)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.floor(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "biu":
        raise InputError(f"{what} have type {labels.dtype}; class labels are whole numbers, counted from 0.")
    labels = labels.astype(np.int64)
    wrong = labels[(labels < 0) | (labels >= MOST_CLASSES)]
    if wrong.size:
        raise InputError(f"{what} hold {wrong[0]}; class labels are counted from 0, and {MOST_CLASSES} classes fit.")
    return labels


def _labels(values: Any, what: str) -> np.ndarray:
    shape = np.shape(values)
    if len(shape) != 1 or shape[0] == 0:
        raise InputError(f"{what} have shape {shape}; expected (n_samples,), at least one sample.")
    return whole_labels(values, what)


def _answers(values: Any, what: str) -> np.ndarray:
    """Labels of a member as int64, with -1 where it has no answer: missing values, and -1 itself."""
    data, holes = np.asarray(np.ma.getdata(values)), absent(values)
    given = data[~holes]
    given = np.array(given.tolist()) if data.dtype.kind == "O" else given
    labels = np.full(data.shape, NO_ANSWER, np.int64)
    answered = given != NO_ANSWER if given.dtype.kind in "if" else np.ones(len(given), bool)
    labels[np.flatnonzero(~holes)[answered]] = whole_labels(given[answered], what)
    return labels


def _with_holes(scores: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a member, (n_samples, n_classes), and where it has no answer, (n_samples,); its scores are 0 there."""
    holes = absent_rows(scores, what)
    data = np.asanyarray(np.ma.getdata(scores))
    if data.dtype.kind == "O":
        data = np.array(np.where(holes[:, None], 0, data).tolist())
    return np.where(holes[:, None], 0, data) if holes.any() else data, holes


def _both_columns(values: np.ndarray, what: str) -> np.ndarray:
    """Probabilities of both classes where there is one column, the chance of the second."""
    if values.shape[1] != 1 or values.dtype.kind not in "fiu":
        return values
    if not ((values >= 0) & (values <= 1)).all():
        sample = int(np.flatnonzero(~((values >= 0) & (values <= 1)))[0])
        raise InputError(
            f"{what} have one column, the chance of class 1, which is {values[sample, 0]} for sample {sample}; "
            "chances lie between 0 and 1."
        )
    return with_first_class(values)


def _scores(columns: list[np.ndarray], truth: np.ndarray, n_classes: int, split: str) -> Scores:
    padding = n_classes - columns[0].shape[1]
    return Scores([np.pad(column, ((0, 0), (0, padding))) if padding else column for column in columns], truth, split)
