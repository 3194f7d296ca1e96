"""Predictions in a ``.npz`` file, as `numpy.savez` writes it.

=========================================  ============================  ===================================
key                                        shape                         meaning
=========================================  ============================  ===================================
``search_labels`` or ``search_scores``     (n_members, n_samples) or     predictions of each member; with scores,
                                           (..., n_classes)              the class with the highest score, ties
                                                                         go to the lowest class
``search_truth``                           (n_samples,)                  true labels
``test_labels``/``test_scores``,           likewise                      test split, optional
``test_truth``
``labels``/``scores``, ``truth``           likewise                      alternative: split on reading, by seed
``search_groups``, ``test_groups``, or     (n_samples,)                  optional numbers, text or dates: which
``groups``                                                               samples belong together
``names``                                  (n_members,)                  optional
``cost_NAME``                              (n_members,)                  optional; becomes objective NAME
``shared_members``                         (n_parts, n_members)          optional zeros and ones: members that
                                                                         share a part, such as a trunk, whose
                                                                         cost an ensemble pays once
``shared_cost_NAME``                       (n_parts,)                    cost of the part, included in cost_NAME
``search_parent``, ``test_parent``, or     (n_samples,)                  optional: predictions of the network
``parent``                                                               that the members were made from
``parent_cost_NAME``                       ()                            cost of that network
``classes``                                (n_classes,)                  optional: classes, in the order of the columns
                                                                         of scores; labels are these, or places in it
=========================================  ============================  ===================================

Labels are whole numbers, booleans or text. Where a member has no answer, its label is NaN, empty or, if no true label
is -1, -1, and all its scores are NaN.

If both labels and scores are present, the labels vote, and the scores are used by objectives that need them. Nothing in
the file is ever unpickled.
"""

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError, one_line
from evo_ensyth.io.formats._npz_file import Npz, check_size, opened
from evo_ensyth.io.formats._npz_keys import unused_keys
from evo_ensyth.io.formats._npz_members import read_members
from evo_ensyth.io.formats._npz_writer import write
from evo_ensyth.pool.answers import Answers, Part, random_split, votes_of, with_group_codes
from evo_ensyth.pool.classes import LabelCodes, Order
from evo_ensyth.pool.labels import MOST_CLASSES, Some
from evo_ensyth.pool.memory import Blocks
from evo_ensyth.pool.missing import absent_rows
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores, both_columns
from evo_ensyth.pool.weights import refuse_weights

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".npz",)
SCORES = ("scores", "search_scores", "test_scores")


def read(path: Path, *, test_share: float = 0.5, split_seed: int = 0) -> Pool:
    """Read a pool from a ``.npz`` file.

    Parameters, returned pool and errors are those of `formats.read_predictions`; messages also name the key.
    """
    with opened(path) as file:
        try:
            refuse_weights(file.keys)
            found = _Reader(file, path).pool(test_share, split_seed)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return replace(found, source={"kind": "predictions", "name": path.name, "sha256": digest, **found.source})


@dataclass(frozen=True)
class _Reader:
    """Interprets the keys of an open file. Messages name the key; the caller prepends the file."""

    file: Npz
    path: Path
    codes: LabelCodes = field(default_factory=LabelCodes)

    def pool(self, test_share: float, split_seed: int) -> Pool:
        keys = self.file.keys
        has_test = any(f"test_{what}" in keys for what in ("labels", "scores", "truth"))
        parts: dict[str, Part]
        source: dict[str, Any] = {}
        if any(key.startswith("search_") for key in keys):
            found = {"'search_groups'": self.answers("search_")}
            if has_test:
                found["'test_groups'"] = self.answers("test_")
                self.check_splits(*found.values())
            coded = with_group_codes(found)
            parts = {split: (each, slice(None)) for split, each in zip(("search", "test"), coded, strict=False)}
        elif not {"labels", "scores"} & set(keys):
            there = ", ".join(keys) or "nothing"
            raise InputError(f"no 'search_labels', 'search_scores', 'labels' or 'scores'; found {there}.")
        elif has_test:
            raise InputError("there are 'test_' keys without 'search_' keys; name both splits, or neither.")
        else:
            (everything,) = with_group_codes({"'groups'": self.answers("")})
            parts, source = random_split(everything, self.codes, test_share, split_seed)
        n_columns = max((self.n_columns(key) for key in keys if key in SCORES), default=0)
        names = self.file.array("classes").tolist() if "classes" in keys else None
        votes, order, notes = votes_of(parts, self.codes, n_columns, names)
        notes = [*unused_keys(keys), *notes]
        if notes:
            source["notes"] = notes
        return Pool(
            read_members(self.file, votes["search"].n_members),
            votes["search"],
            votes.get("test"),
            self.parent(parts, order),
            name=one_line(self.path.stem),
            source=source,
        )

    def check_splits(self, search: Answers, test: Answers) -> None:
        if len(test.y_pred) != len(search.y_pred):
            raise InputError(f"'test_' holds {len(test.y_pred)} members, 'search_' holds {len(search.y_pred)}.")
        widths = {key: self.n_columns(key) for key in ("search_scores", "test_scores") if key in self.file.keys}
        if len(set(widths.values())) > 1:
            raise InputError(" and ".join(f"'{key}' has {n} columns" for key, n in widths.items()) + "; give the same.")
        for what in ("groups", "parent"):
            if (getattr(search, what) is None) != (getattr(test, what) is None):
                raise InputError(
                    f"one split has {what} and the other has none; give 'search_{what}' and 'test_{what}'."
                )

    def answers(self, prefix: str) -> Answers:
        """Read the labels and true labels of one split."""
        scores_key, labels_key, truth_key = (f"{prefix}{what}" for what in ("scores", "labels", "truth"))
        keys = self.file.keys
        if scores_key not in keys and labels_key not in keys:
            raise InputError(f"no '{labels_key}' and no '{scores_key}'; one of them is needed.")
        labels = self.labels(labels_key, 2) if labels_key in keys else None
        columns = self.highest_columns(scores_key) if scores_key in keys else None
        if labels is not None and columns is not None and _shape(labels) != _shape(columns):
            shapes = f"'{labels_key}' has shape {_shape(labels)}, '{scores_key}' begins with {_shape(columns)}"
            raise InputError(f"{shapes}.")
        key, rows = (labels_key, labels) if labels is not None else (scores_key, columns)
        if not rows:
            raise InputError(f"'{key}' holds no member: the pool is empty.")
        (truth,) = self.labels(truth_key, 1)
        if len(truth) != len(rows[0]):
            raise InputError(
                f"'{truth_key}' has shape {truth.shape}; '{key}' answers {len(rows[0])} samples, "
                f"so ({len(rows[0])},) was expected."
            )
        if truth.size == 0:
            raise InputError(f"'{truth_key}' has no sample.")
        # Scores used on the search split will be needed on the test split too: fail early if they are missing.
        others = ("test_scores",) if prefix == "search_" and "test_truth" in keys else ()
        return Answers(
            truth,
            rows,
            by_column=labels is None,
            read_scores=partial(_read_scores, self.path, (scores_key, *others)),
            labels_only=not {scores_key, *others} <= set(keys),
            groups=self.beside(f"{prefix}groups", truth, truth_key),
            parent=self.beside(f"{prefix}parent", truth, truth_key),
        )

    def beside(self, key: str, truth: np.ndarray, truth_key: str) -> np.ndarray | None:
        """Read an optional array with a label, or for groups any value, for each sample."""
        if key not in self.file.keys:
            return None
        values = self.file.array(key) if key.endswith("groups") else self.labels(key, 1)[0]
        if values.shape != truth.shape:
            raise InputError(f"'{key}' has shape {values.shape}, '{truth_key}' {truth.shape}.")
        return values

    def parent(self, parts: dict[str, Part], order: Order) -> Parent | None:
        """Read the optional predictions and costs of the network that the members were made from."""
        prefix = "parent_cost_"
        costs = {key.removeprefix(prefix): self.parent_cost(key) for key in self.file.keys if key.startswith(prefix)}
        labels = {
            split: order.rank[answers.parent[samples]]
            for split, (answers, samples) in parts.items()
            if answers.parent is not None
        }
        if not labels:
            if costs:
                raise InputError(f"'{prefix}{next(iter(costs))}' is the cost of a parent whose answers are missing.")
            return None
        return Parent(costs, labels)

    def parent_cost(self, key: str) -> float:
        cost, values = key.removeprefix("parent_"), self.file.array(key)
        if cost not in self.file.keys:
            raise InputError(f"there is '{key}' but no '{cost}'.")
        if values.shape != () or values.dtype.kind not in "iuf" or not np.isfinite(values):
            raise InputError(f"'{key}' has shape {values.shape} and type {values.dtype}; expected one finite number.")
        return float(values)

    def labels(self, key: str, n_dimensions: int) -> list[np.ndarray]:
        """Read the codes of labels row by row: 64-bit integers are eight times as large as codes.

        One row of samples may not have holes: it is not a member's.
        """
        with self.file.stream(key) as stream:
            shape = stream.shape
            if len(shape) != n_dimensions:
                expected = "(n_members, n_samples)" if n_dimensions == 2 else "(n_samples,)"
                raise InputError(f"'{key}' has shape {shape}; expected {expected}.")
            rows, n_rows = [], shape[0] if n_dimensions == 2 else 1
            blocks = Blocks(f"'{key}'", math.prod(shape))
            for member in range(n_rows if math.prod(shape) else min(n_rows, 1)):
                what = f"'{key}' of member {member}" if n_dimensions == 2 else f"'{key}'"
                codes = self.codes.add(_text(stream.take(shape[-1:]), key), what, holes=n_dimensions == 2)
                rows.append(blocks.kept(codes))
            stream.finish()
        return rows

    def n_columns(self, key: str) -> int:
        """Scores of a member for one sample."""
        with self.file.stream(key) as stream:
            return stream.shape[2] if len(stream.shape) == 3 else 1

    def highest_columns(self, key: str) -> list[np.ndarray]:
        """Read scores one member at a time and keep only 1 + the column of the highest, 0 where there is no answer."""
        with self.file.stream(key) as stream:
            if len(stream.shape) not in (2, 3) or stream.dtype.kind not in "fiu":
                raise InputError(
                    f"'{key}' has shape {stream.shape} and type {stream.dtype}; expected numbers, "
                    "(n_members, n_samples, n_classes)."
                )
            n_members, n_samples, n_columns = (*stream.shape, 1)[:3]
            if not 1 <= n_columns <= MOST_CLASSES:
                raise InputError(f"'{key}' has {n_columns} classes; from 1 to {MOST_CLASSES} fit.")
            if n_samples == 0:
                raise InputError(f"'{key}' has no sample.")
            rows, blocks = [], Blocks(f"'{key}'", n_members * n_samples)
            for member in range(n_members):
                what = f"'{key}' of member {member}"
                scores = stream.take((n_samples, n_columns))
                holes = absent_rows(scores, what)
                if holes.any():
                    scores = np.where(holes[:, None], 0, scores)
                for wrong, why in ((~np.isfinite(scores), "not finite"), (scores < 0, "negative")):
                    if wrong.any():
                        sample, column = np.argwhere(wrong)[0]
                        raise InputError(
                            f"'{key}' is {scores[sample, column]:g} for member {member}, sample {sample}, "
                            f"class {column}: {why}; scores are at least 0."
                        )
                highest = both_columns(scores, what).argmax(axis=1)
                rows.append(blocks.kept(np.where(holes, 0, highest + 1).astype(np.min_scalar_type(n_columns + 1))))
            stream.finish()
        return rows


def _read_scores(
    path: Path, keys: tuple[str, ...], order: Order, samples: Some, truth: np.ndarray, split: str
) -> Scores:
    """Read some samples of the scores under the first key, one member at a time, in the type of the file."""
    with opened(path) as file:
        try:
            for key in keys:
                if key not in file.keys:
                    why = "labels alone do not say how sure the members are"
                    raise InputError(f"no '{key}', and {why}; store scores too.")
            key = keys[0]
            with file.stream(key) as stream:
                n_members, n_rows, n_columns = (*stream.shape, 1)[:3]
                if len(stream.shape) not in (2, 3) or max(n_columns, 2) > max(len(order.columns), 2):
                    raise InputError(
                        f"'{key}' has shape {stream.shape} now; it has changed since its labels were read."
                    )
                check_size(key, n_members * len(truth) * n_columns * stream.dtype.itemsize)
                members = []
                for member in range(n_members):
                    scores = stream.take((n_rows, n_columns))[samples]
                    holes = np.isnan(scores).all(axis=1)
                    scores = both_columns(scores, f"'{key}' of member {member}")
                    if holes.any():
                        scores = np.where(holes[:, None], 0, scores)
                    members.append(order.sorted_columns(scores))
                stream.finish()
            return Scores(members, truth, split)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _text(values: np.ndarray, key: str) -> np.ndarray:
    """Check that values which are text are Unicode: a damaged file may hold other numbers in their place."""
    if values.dtype.kind == "U":
        try:
            values.tolist()
        except (ValueError, SystemError):
            raise InputError(f"'{key}' holds entries that are not text.") from None
    return values


def _shape(rows: list[np.ndarray]) -> tuple[int, ...]:
    return (len(rows), *(rows[0].shape if rows else ()))
