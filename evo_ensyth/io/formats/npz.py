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
=========================================  ============================  ===================================

Where a member has no answer, its label is -1 or NaN, and all its scores are NaN.

If both labels and scores are present, the labels vote, and the scores are used by objectives that need them. Nothing in
the file is ever unpickled.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError, one_line
from evo_ensyth.io.formats._npz_file import Npz, check_size, opened
from evo_ensyth.io.formats._npz_keys import refuse_weights, unused_keys
from evo_ensyth.io.formats._npz_members import read_members
from evo_ensyth.io.formats._npz_writer import write
from evo_ensyth.pool.groups import coded_groups
from evo_ensyth.pool.labels import MOST_CLASSES, NO_ANSWER
from evo_ensyth.pool.missing import absent, absent_rows
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores, with_first_class
from evo_ensyth.pool.splitting import test_samples
from evo_ensyth.pool.votes import Votes

__all__ = ["SUFFIXES", "read", "write"]

SUFFIXES = (".npz",)


def read(path: Path, *, test_share: float = 0.5, split_seed: int = 0) -> Pool:
    """Read a pool from a ``.npz`` file.

    Parameters, returned pool and errors are those of `formats.read_predictions`; messages also name the key.
    """
    with opened(path) as file:
        try:
            refuse_weights(file.keys)
            found = _Reader(file, path, unused_keys(file.keys)).pool(test_share, split_seed)
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
    notes: list[str]

    def pool(self, test_share: float, split_seed: int) -> Pool:
        keys = self.file.keys
        has_test = any(f"test_{what}" in keys for what in ("labels", "scores", "truth"))
        if any(key.startswith("search_") for key in keys):
            search, n_classes = self.answers("search_")
            test = None
            test_samples = None
            if has_test:
                test, n_test_classes = self.answers("test_")
                n_classes = max(n_classes, n_test_classes)
                search, test = _with_group_codes({"search_": search, "test_": test})
            else:
                (search,) = _with_group_codes({"search_": search})
        elif not {"labels", "scores"} & set(keys):
            found = ", ".join(keys) or "nothing"
            raise InputError(f"no 'search_labels', 'search_scores', 'labels' or 'scores'; found {found}.")
        elif has_test:
            raise InputError("there are 'test_' keys without 'search_' keys; name both splits, or neither.")
        else:
            everything, n_classes = self.answers("")
            (everything,) = _with_group_codes({"": everything})
            search, test, test_samples, how = everything.split(test_share, split_seed)
        widths = {key: self.n_columns(key) for key in ("search_scores", "test_scores") if key in keys and test}
        if len(set(widths.values())) > 1:
            raise InputError(" and ".join(f"'{key}' has {n} columns" for key, n in widths.items()) + "; give the same.")
        if test is not None and len(test.y_pred) != len(search.y_pred):
            raise InputError(f"'test_' holds {len(test.y_pred)} members, 'search_' holds {len(search.y_pred)}.")
        for what in ("groups", "parent"):
            if test is not None and (getattr(search, what) is None) != (getattr(test, what) is None):
                raise InputError(
                    f"one split has {what} and the other has none; give 'search_{what}' and 'test_{what}'."
                )
        for name, part in (("search", search), ("test", test)):
            if part is not None and len(part.y_true) < 2:
                n_samples = len(part.y_true)
                raise InputError(f"n_samples of the {name} split is {n_samples}; at least 2 estimate an error.")
        source: dict[str, Any] = {}
        if test_samples is not None:
            source = {"test_share": test_share, "split_seed": split_seed, "split": how}
            source["test_samples"] = test_samples.tolist()
        elif test is not None and (note := _shared_groups(search, test)):
            self.notes.append(note)
        if self.notes:
            source["notes"] = list(dict.fromkeys(self.notes))
        return Pool(
            read_members(self.file, len(search.y_pred)),
            self.votes(search, n_classes, "search"),
            self.votes(test, n_classes, "test") if test else None,
            self.parent(search, test),
            name=one_line(self.path.stem),
            source=source,
        )

    def votes(self, answers: "_Answers", n_classes: int, split: str) -> Votes:
        # Scores used on the search split will be needed on the test split too: fail early if they are missing.
        others = ("test_scores",) if split == "search" and "test_truth" in self.file.keys else ()
        needed = (answers.scores_key, *others)
        scores = partial(_read_scores, self.path, needed, answers.samples, answers.y_true, n_classes, split)
        labels_only = not set(needed) <= set(self.file.keys)
        return Votes(answers.y_pred, answers.y_true, n_classes, split, scores, answers.groups, labels_only)

    def answers(self, prefix: str) -> tuple["_Answers", int]:
        """Read the labels and true labels of one split, and the number of classes."""
        scores_key, labels_key, truth_key = (f"{prefix}{what}" for what in ("scores", "labels", "truth"))
        key, n_classes = labels_key, 1
        labels = scored = None
        if scores_key in self.file.keys:
            scored, n_classes = self.labels_from_scores(scores_key)
        if labels_key in self.file.keys:
            labels = self.labels(labels_key, 2)
        if labels is None:
            if scored is None:
                raise InputError(f"no '{labels_key}' and no '{scores_key}'; one of them is needed.")
            key, labels = scores_key, scored
        elif scored is not None and scored.shape != labels.shape:
            raise InputError(f"'{labels_key}' has shape {labels.shape}, '{scores_key}' begins with {scored.shape}.")
        if len(labels) == 0:
            raise InputError(f"'{key}' holds no member: the pool is empty.")
        truth = self.labels(truth_key, 1)
        if truth.shape != labels.shape[1:]:
            raise InputError(
                f"'{truth_key}' has shape {truth.shape}; '{key}' answers {labels.shape[1]} samples, "
                f"so ({labels.shape[1]},) was expected."
            )
        if truth.size == 0:
            raise InputError(f"'{truth_key}' has no sample.")
        if scored is not None and truth.max() >= n_classes:
            sample = int(np.flatnonzero(truth >= n_classes)[0])
            raise InputError(f"'{truth_key}' is {truth[sample]} for sample {sample}; {self.columns_of(scores_key)}.")
        n_classes = max(n_classes, int(labels.max()) + 1, int(truth.max()) + 1)
        groups, parent = (self.beside(truth, f"{prefix}{what}", truth_key) for what in ("groups", "parent"))
        return _Answers(labels, truth, groups, parent, scores_key, slice(None)), n_classes

    def beside(self, truth: np.ndarray, key: str, truth_key: str) -> np.ndarray | None:
        """Read an optional array with a label, or for groups any value, for each sample."""
        if key not in self.file.keys:
            return None
        values = self.file.array(key) if key.endswith("groups") else self.labels(key, 1)
        if values.shape != truth.shape:
            raise InputError(f"'{key}' has shape {values.shape}, '{truth_key}' {truth.shape}.")
        return values

    def parent(self, search: "_Answers", test: "_Answers | None") -> Parent | None:
        """Read the optional predictions and costs of the network that the members were made from."""
        prefix = "parent_cost_"
        costs = {key.removeprefix(prefix): self.parent_cost(key) for key in self.file.keys if key.startswith(prefix)}
        if search.parent is None:
            if costs:
                raise InputError(f"'{prefix}{next(iter(costs))}' is the cost of a parent whose answers are missing.")
            return None
        splits = {"search": search, "test": test}
        labels = {split: part.parent for split, part in splits.items() if part and part.parent is not None}
        return Parent(costs, labels)

    def parent_cost(self, key: str) -> float:
        cost, values = key.removeprefix("parent_"), self.file.array(key)
        if cost not in self.file.keys:
            raise InputError(f"there is '{key}' but no '{cost}'.")
        if values.shape != () or values.dtype.kind not in "iuf" or not np.isfinite(values):
            raise InputError(f"'{key}' has shape {values.shape} and type {values.dtype}; expected one finite number.")
        return float(values)

    def labels(self, key: str, n_dimensions: int) -> np.ndarray:
        """Read labels row by row: 64-bit integers are four times as large as the 16-bit labels that are kept."""
        with self.file.stream(key) as stream:
            shape = stream.shape
            if len(shape) != n_dimensions:
                expected = "(n_members, n_samples)" if n_dimensions == 2 else "(n_samples,)"
                raise InputError(f"'{key}' has shape {shape}; expected {expected}.")
            if stream.dtype.kind not in "fiu":
                raise InputError(f"'{key}' has type {stream.dtype}; labels are whole numbers.")
            check_size(key, math.prod(shape) * stream.dtype.itemsize)
            labels = np.empty(shape, np.uint16)
            if labels.size:
                if n_dimensions == 1:
                    labels[:] = _whole(key, stream.take(shape), None)
                for member in range(len(labels) if n_dimensions == 2 else 0):
                    row = _whole(key, stream.take(shape[1:]), member)
                    if row.min() == NO_ANSWER and labels.dtype.kind == "u":
                        labels = labels.astype(np.int32)
                    labels[member] = row
            stream.finish()
        return labels

    def n_columns(self, key: str) -> int:
        """Scores of a member for one sample."""
        with self.file.stream(key) as stream:
            return stream.shape[-1]

    def columns_of(self, key: str) -> str:
        """Which classes the columns of scores stand for, in words."""
        if self.n_columns(key) == 1:
            return f"'{key}' has one column, the chance of class 1 of the classes 0 and 1"
        return f"'{key}' has {self.n_columns(key)} columns, one per class from 0; give every class a column"

    def labels_from_scores(self, key: str) -> tuple[np.ndarray, int]:
        """Read scores one member at a time and keep only the labels, of which scores are a multiple in size."""
        with self.file.stream(key) as stream:
            if len(stream.shape) != 3 or stream.dtype.kind not in "fiu":
                raise InputError(
                    f"'{key}' has shape {stream.shape} and type {stream.dtype}; expected numbers, "
                    "(n_members, n_samples, n_classes)."
                )
            n_members, n_samples, n_classes = stream.shape
            if not 1 <= n_classes <= MOST_CLASSES:
                raise InputError(f"'{key}' has {n_classes} classes; from 1 to {MOST_CLASSES} fit.")
            if n_samples == 0:
                raise InputError(f"'{key}' has no sample.")
            check_size(key, n_members * n_samples * 4)
            labels = np.empty((n_members, n_samples), np.int32)
            for member in range(n_members):
                scores = stream.take((n_samples, n_classes))
                holes = absent_rows(scores, f"'{key}' of member {member}")
                if holes.any():
                    scores = np.where(holes[:, None], 0, scores)
                for wrong, what in ((~np.isfinite(scores), "not finite"), (scores < 0, "negative")):
                    if wrong.any():
                        sample, column = np.argwhere(wrong)[0]
                        raise InputError(
                            f"'{key}' is {scores[sample, column]:g} for member {member}, sample {sample}, "
                            f"class {column}: {what}; scores are at least 0."
                        )
                labels[member] = np.where(holes, NO_ANSWER, self.both_columns(key, scores, member).argmax(axis=1))
            stream.finish()
        return labels, max(n_classes, 2)

    def both_columns(self, key: str, scores: np.ndarray, member: int) -> np.ndarray:
        """Scores of both classes where there is one column, the chance of the second."""
        if scores.shape[1] > 1:
            return scores
        if (scores > 1).any():
            sample = int(np.flatnonzero(scores > 1)[0])
            raise InputError(
                f"'{key}' has one column, which is the chance of class 1, and holds {scores[sample, 0]:g} (member "
                f"{member}, sample {sample}); chances are at most 1."
            )
        self.notes.append(f"'{key}' has one column; it is read as the chance of class 1, of two.")
        return with_first_class(scores)


@dataclass(frozen=True)
class _Answers:
    """Labels (n_members, n_samples), truth, groups and parent (n_samples,), not yet part of a split.

    Groups are any values at first; see `_with_group_codes`.

    Their scores, if any, are those of ``samples`` under ``scores_key``.
    """

    y_pred: np.ndarray
    y_true: np.ndarray
    groups: np.ndarray | None
    parent: np.ndarray | None
    scores_key: str
    samples: np.ndarray | slice

    def split(self, test_share: float, seed: int) -> tuple["_Answers", "_Answers | None", np.ndarray, str]:
        """Return the search split, the test split if it is not empty, the indices of its samples, and how it came."""
        test, how = test_samples(self.y_true, self.groups, test_share, seed)
        rest = np.setdiff1d(np.arange(len(self.y_true)), test)
        return self.of(rest), self.of(test) if len(test) else None, test, how

    def of(self, samples: np.ndarray) -> "_Answers":
        groups, parent = (None if values is None else values[samples] for values in (self.groups, self.parent))
        return _Answers(self.y_pred[:, samples], self.y_true[samples], groups, parent, self.scores_key, samples)


def _with_group_codes(splits: Mapping[str, _Answers]) -> list[_Answers]:
    """Turn the groups of the splits, by the prefix of their keys, into codes that mean the same in both."""
    codes = coded_groups({f"'{key}groups'": split.groups for key, split in splits.items() if split.groups is not None})
    return [replace(split, groups=codes.get(f"'{key}groups'")) for key, split in splits.items()]


def _shared_groups(search: _Answers, test: _Answers) -> str:
    """Say how many groups have samples in both splits; nothing if there are none."""
    if search.groups is None or test.groups is None:
        return ""
    shared, n_groups = np.intersect1d(search.groups, test.groups), np.union1d(search.groups, test.groups)
    if not len(shared):
        return ""
    return (
        f"{len(shared):,} of {len(n_groups):,} groups have samples in both splits, so the test split does not show how "
        "ensembles do on new groups."
    )


def _read_scores(
    path: Path, keys: Sequence[str], samples: np.ndarray | slice, truth: np.ndarray, n_classes: int, split: str
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
                if len(stream.shape) != 3 or stream.shape[2] > n_classes:
                    raise InputError(
                        f"'{key}' has shape {stream.shape} now; it has changed since its labels were read."
                    )
                n_members, n_rows, n_columns = stream.shape
                check_size(key, n_members * len(truth) * n_classes * stream.dtype.itemsize)
                members = []
                for _ in range(n_members):
                    scores = stream.take((n_rows, n_columns))[samples]
                    holes = np.isnan(scores).all(axis=1)
                    if n_columns == 1:
                        scores = with_first_class(scores)
                    if holes.any():
                        scores = np.where(holes[:, None], 0, scores)
                    if scores.shape[1] < n_classes:  # the labels have more classes
                        scores = np.pad(scores, ((0, 0), (0, n_classes - scores.shape[1])))
                    members.append(scores)
                stream.finish()
            return Scores(members, truth, split)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _whole(key: str, values: np.ndarray, member: int | None) -> np.ndarray:
    """Convert labels (n_samples,) to uint16 after checking that they are integers in range.

    A member may have no answers, -1 or NaN; its labels are then int32, with -1.
    """
    with np.errstate(invalid="ignore"):  # signalling NaN
        holes = (absent(values) | (values == NO_ANSWER)) & (member is not None)
    if holes.any():
        labels = _whole(key, np.where(holes, 0, values), member)
        return np.where(holes, NO_ANSWER, labels.astype(np.int32))

    def refuse(wrong: np.ndarray, expected: str) -> None:
        if wrong.any():
            sample = int(np.flatnonzero(wrong)[0])
            place = f"sample {sample}" if member is None else f"member {member}, sample {sample}"
            raise InputError(f"'{key}' holds {values[sample]:g} ({place}); {expected}.")

    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # signalling NaN
            refuse(~(np.isfinite(values) & (values == np.floor(values))), "labels are whole numbers")
    refuse(values < 0, "labels start at 0")
    with np.errstate(over="ignore"):  # 65,536 as a float16
        refuse(values >= MOST_CLASSES, "65,536 classes fit")
    return values.astype(np.uint16)
