"""Read predictions from memory: mappings, data frames or arrays, of labels or probabilities."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.answers import Answers
from evo_ensyth.pool.classes import LabelCodes, Order
from evo_ensyth.pool.labels import Some
from evo_ensyth.pool.missing import absent_rows, unmasked
from evo_ensyth.pool.scores import Scores, both_columns


def read_split(
    predictions: Any, y_true: Any, split: str, codes: LabelCodes, *, order: Sequence[str] | None = None
) -> tuple[tuple[str, ...], Answers, int]:
    """Return the names of the members, their answers on one split, and the number of columns of scores.

    Parameters
    ----------
    predictions, y_true
        As for `Pool.from_predictions`.
    split : str
        ``search`` or ``test``.
    codes : LabelCodes
        Takes the labels.
    order : sequence of str, optional
        Put the members in this order if these are their names.

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
    shape = np.shape(y_true)
    if len(shape) != 1 or shape[0] == 0:
        raise InputError(f"the {split} y_true have shape {shape}; expected (n_samples,), at least one sample.")
    truth = codes.add(y_true, f"the {split} y_true", holes=False)
    labels, scores = [], []
    for name, column in columns.items():
        what = f"the {split} predictions of '{name}'"
        shape = np.shape(column)
        if len(shape) not in (1, 2) or shape[0] != len(truth):
            raise InputError(f"{what} have shape {shape}; y_true has {len(truth)} samples.")
        if len(shape) == 2:
            values, highest = scored(column, what)
            scores.append(values)
            labels.append(highest)
        else:
            labels.append(codes.add(column, what))
    if scores and len(scores) < len(labels):
        raise InputError(
            f"some members of the {split} predictions give labels and others probabilities; give one kind."
        )
    widths = {values.shape[1] for values in scores}
    if len(widths) > 1:
        raise InputError(f"the {split} probabilities have {min(widths)} to {max(widths)} columns; give one per class.")
    read_scores = partial(read_in_memory, scores) if scores else None
    answers = Answers(truth, labels, by_column=bool(scores), read_scores=read_scores)
    return tuple(columns), answers, max(widths, default=0)


def columns_of(predictions: Any, what: str) -> dict[str, Any]:
    """Predictions by name of the member."""
    from evo_ensyth.pool.frames import frame_table, is_frame

    if isinstance(predictions, Mapping):
        return {str(name): column for name, column in predictions.items()}
    if is_frame(predictions):
        table = frame_table(predictions, what)
        return {name: table.read(name) for name in table.columns}
    values = np.asarray(predictions)
    if values.ndim not in (2, 3):
        expected = "(n_members, n_samples) or (n_members, n_samples, n_classes)"
        raise InputError(f"{what} have shape {values.shape}; expected a mapping, or {expected}.")
    width = len(str(max(len(values) - 1, 0)))
    return {f"member-{i:0{width}}": row for i, row in enumerate(values)}


def scored(scores: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a member, NaN where it has no answer, and 1 + the column of the highest, 0 where it has no answer.

    Parameters
    ----------
    scores : (n_samples, n_columns)
    what : str
        Begins messages.

    Returns
    -------
    scores : (n_samples, n_columns)
    highest : uint8 or larger, (n_samples,)
    """
    holes = absent_rows(scores, what)
    data = unmasked(scores)
    if data.dtype.kind == "O":
        data = np.array(np.where(holes[:, None], np.nan, data).tolist())
    if holes.any():
        data = np.where(holes[:, None], np.nan, data)
    highest = np.where(holes, 0, both_columns(data, what).argmax(axis=1) + 1)
    return data, highest.astype(np.min_scalar_type(max(data.shape[1], 2)))


def read_in_memory(columns: Sequence[np.ndarray], order: Order, samples: Some, truth: np.ndarray, split: str) -> Scores:
    """Scores of some samples from those of all, (n_samples, n_columns) for each member; see `answers.ScoreReader`."""
    members = []
    for values in columns:
        scores = both_columns(values[samples], f"the {split} predictions")
        holes = np.isnan(scores).all(axis=1) if scores.dtype.kind == "f" else np.zeros(len(scores), bool)
        members.append(order.sorted_columns(np.where(holes[:, None], 0, scores) if holes.any() else scores))
    return Scores(members, truth, split)
