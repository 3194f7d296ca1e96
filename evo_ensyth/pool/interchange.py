"""Somebody else's predictions, a ``.npz`` file, as a pool and its votes.

=========================================  ============================  ===================================
key                                        shape                         meaning
=========================================  ============================  ===================================
``search_labels`` or ``search_scores``     (n_members, n_samples) or     what each member answers; of scores
                                           (..., n_classes)              the highest counts, ties to the
                                                                         lowest class
``search_truth``                           (n_samples,)                  the right labels
``test_labels``/``test_scores``,           likewise                      a test split, if there is one
``test_truth``
``labels``/``scores``, ``truth``           likewise                      instead: split here, by seed
``names``                                  (n_members,)                  optional
``cost_NAME``                              (n_members,)                  optional; becomes objective NAME
=========================================  ============================  ===================================

Where labels and scores are both there, the labels vote. Nothing in the file is ever unpickled.
"""

import io
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from evo_ensyth.errors import InputError
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.votes import MOST_CLASSES, Votes

RESERVED_COSTS = ("error", "n_members")
# What numpy and zipfile raise for files that are damaged, or made to do damage.
UNREADABLE = (
    ValueError, TypeError, KeyError, OSError, EOFError, RuntimeError, NotImplementedError, SyntaxError, MemoryError,
    tokenize.TokenError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """A file of predictions, read and checked.

    Attributes
    ----------
    pool : Pool
    search : Votes
    test : Votes, optional
    test_samples : int64, (n_test,), optional
        Which columns became the test split, where the split was made here.
    """

    pool: Pool
    search: Votes
    test: Votes | None
    test_samples: np.ndarray | None


def read_predictions(path: Path | str, *, test_share: float = 0.5, split_seed: int = 0) -> Predictions:
    """Pool and votes from a ``.npz`` file.

    Parameters
    ----------
    path : path
    test_share : float
        Share of the samples that become the test split, where the file does not come split; 0 for none.
    split_seed : int
        Seed of that split: the first ``round(test_share * n_samples)`` of
        ``numpy.random.default_rng(split_seed).permutation(n_samples)`` are the test samples.

    Raises
    ------
    InputError
        Names the file, the key, and what was expected there.
    """
    path = Path(path)
    if not 0 <= test_share < 1:
        raise InputError(f"the test share is {test_share:g}; it must be at least 0 and below 1.")
    with _opened(path) as file:
        try:
            return _Reader(path, file).predictions(test_share, split_seed)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


class _Reader:
    """One open file. Messages name the key; the caller puts the file in front."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self.file = file
        self.keys = [name.removesuffix(".npy") for name in file.namelist()]

    def predictions(self, test_share: float, split_seed: int) -> Predictions:
        split = any(key.startswith("search_") for key in self.keys)
        if not split and not {"labels", "scores"} & set(self.keys):
            found = ", ".join(self.keys) or "nothing"
            raise InputError(f"no 'search_labels', 'search_scores', 'labels' or 'scores'; found {found}.")
        labels, truth, n_classes = self.answers("search_" if split else "")
        test_samples = None
        test: tuple[np.ndarray, np.ndarray] | None = None
        if split and any(f"test_{what}" in self.keys for what in ("labels", "scores", "truth")):
            test_labels, test_truth, n_test_classes = self.answers("test_")
            if len(test_labels) != len(labels):
                raise InputError(f"'test_' holds {len(test_labels)} members, 'search_' holds {len(labels)}.")
            n_classes = max(n_classes, n_test_classes)
            test = test_labels, test_truth
        elif not split:
            n_samples = len(truth)
            order = np.random.default_rng(split_seed).permutation(n_samples)
            test_samples = np.sort(order[: round(test_share * n_samples)])
            rest = np.sort(order[len(test_samples) :])
            if len(test_samples):
                test = labels[:, test_samples], truth[test_samples]
            labels, truth = labels[:, rest], truth[rest]
        for name, part in (("search", truth), ("test", test[1] if test else None)):
            if part is not None and len(part) < 2:
                raise InputError(f"the {name} split has {len(part)} sample; it takes at least 2 to estimate an error.")
        search = Votes(labels, truth, n_classes, "search")
        held_out = Votes(*test, n_classes, "test") if test else None
        return Predictions(self.pool(len(labels)), search, held_out, test_samples)

    def answers(self, prefix: str) -> tuple[np.ndarray, np.ndarray, int]:
        """Labels (n_members, n_samples), truth (n_samples,) and the number of classes of one split."""
        n_classes = 1
        labels = None
        if f"{prefix}scores" in self.keys:
            labels, n_classes = self.labels_from_scores(f"{prefix}scores")
        if f"{prefix}labels" in self.keys:
            labels = self.labels(f"{prefix}labels", 2)
        if labels is None:
            raise InputError(f"no '{prefix}labels' and no '{prefix}scores'; one of them is needed.")
        truth = self.labels(f"{prefix}truth", 1)
        if labels.shape[0] == 0:
            raise InputError(f"'{prefix}labels' hold no member: the pool is empty.")
        if truth.shape != labels.shape[1:]:
            raise InputError(
                f"'{prefix}truth' has shape {truth.shape}; the members answer {labels.shape[1]} samples, "
                f"so ({labels.shape[1]},) was expected."
            )
        if truth.size == 0:
            raise InputError(f"'{prefix}truth' has no sample.")
        return labels, truth, max(n_classes, int(labels.max()) + 1, int(truth.max()) + 1)

    def labels(self, key: str, n_dimensions: int) -> np.ndarray:
        values = self.array(key)
        if values.ndim != n_dimensions:
            expected = "(n_members, n_samples)" if n_dimensions == 2 else "(n_samples,)"
            raise InputError(f"'{key}' has shape {values.shape}; expected {expected}.")
        if values.dtype.kind == "f":
            whole = np.isfinite(values) & (values == np.floor(values))
            if not whole.all():
                raise InputError(f"'{key}' holds {values[~whole][0]:g}{_where(~whole)}; labels are whole numbers.")
        elif values.dtype.kind not in "iu":
            raise InputError(f"'{key}' has type {values.dtype}; labels are whole numbers.")
        for wrong, expected in ((values < 0, "labels start at 0"), (values >= MOST_CLASSES, "65,536 classes fit")):
            if wrong.any():
                raise InputError(f"'{key}' holds {values[wrong][0]:g}{_where(wrong)}; {expected}.")
        return values.astype(np.uint16)

    def labels_from_scores(self, key: str) -> tuple[np.ndarray, int]:
        """Read one member at a time: scores are n_classes times as large as the labels that they come to."""
        with self.stream(key) as (file, shape, dtype):
            if len(shape) != 3 or dtype.kind not in "fiu":
                raise InputError(
                    f"'{key}' has shape {shape} and type {dtype}; expected numbers, (n_members, n_samples, n_classes)."
                )
            n_members, n_samples, n_classes = shape
            if not 1 <= n_classes <= MOST_CLASSES:
                raise InputError(f"'{key}' has {n_classes} classes; from 1 to {MOST_CLASSES} fit.")
            labels = np.empty((n_members, n_samples), np.uint16)
            for member in range(n_members):
                content = _exactly(file, n_samples * n_classes * dtype.itemsize, key)
                scores = np.frombuffer(content, dtype).reshape(n_samples, n_classes)
                for wrong, what in ((~np.isfinite(scores), "not finite"), (scores < 0, "negative")):
                    if wrong.any():
                        sample, column = np.argwhere(wrong)[0]
                        raise InputError(
                            f"'{key}' is {scores[sample, column]:g} for member {member}, sample {sample}, "
                            f"class {column}: {what}; scores are at least 0."
                        )
                labels[member] = scores.argmax(axis=1)
        return labels, n_classes

    def pool(self, n_members: int) -> Pool:
        width = len(str(n_members - 1))
        names = [f"member-{i:0{width}}" for i in range(n_members)]
        if "names" in self.keys:
            values = self.array("names")
            if values.shape != (n_members,) or values.dtype.kind not in "USiu":
                raise InputError(
                    f"'names' has shape {values.shape}, type {values.dtype}; expected ({n_members},) text."
                )
            try:
                names = [str(v, "utf-8") if isinstance(v, bytes) else str(v) for v in values.tolist()]
            except UnicodeDecodeError:
                raise InputError("'names' holds bytes that are no UTF-8 text.") from None
            for i, name in enumerate(names):
                if not name.strip() or not name.isprintable():
                    raise InputError(f"'names' calls member {i} {name!r}; use printable text.")
        costs: dict[str, Any] = {}
        for key in self.keys:
            if key.startswith("cost_"):
                name = key.removeprefix("cost_")
                if name in RESERVED_COSTS or not name.isidentifier():
                    raise InputError(f"'{key}' cannot be a cost; the name after 'cost_' must be a free identifier.")
                costs[name] = self.array(key)
        return Pool(tuple(names), costs=costs)

    def array(self, key: str) -> np.ndarray:
        with self.stream(key) as (file, shape, dtype):
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size > _memory() // 2:
                raise InputError(f"'{key}' needs {size / 2**30:.1f} GiB; this machine has {_memory() / 2**30:.1f}.")
            return np.frombuffer(_exactly(file, size, key), dtype).reshape(shape)

    @contextmanager
    def stream(self, key: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
        """Open an array behind its header, in row-major order."""
        if key not in self.keys:
            raise InputError(f"no '{key}'; found {', '.join(self.keys) or 'nothing'}.")
        entry = key if key in self.file.namelist() else f"{key}.npy"
        try:
            with self.file.open(entry) as file:
                version = npy.read_magic(file)
                reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, column_major, dtype = reader(file)
                if dtype.hasobject:
                    raise InputError(f"'{key}' holds pickled objects, which are never loaded; store plain numbers.")
                declared = int(np.prod(shape, dtype=object)) * dtype.itemsize
                if declared > self.file.getinfo(entry).file_size:
                    raise InputError(f"'{key}' is cut off: its header promises {declared} bytes.")
                if column_major and len(shape) > 1:
                    columns = np.frombuffer(_exactly(file, declared, key), dtype).reshape(shape, order="F")
                    yield io.BytesIO(columns.tobytes()), shape, dtype
                else:
                    yield file, shape, dtype
        except InputError:
            raise
        except UNREADABLE as error:
            raise InputError(f"'{key}' cannot be read: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        file = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is no whole .npz file: {error}.") from error
    with file:
        yield file


def _exactly(file: IO[bytes], size: int, key: str) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise InputError(f"'{key}' is cut off: {len(content)} of {size} bytes.")
    return content


def _where(wrong: np.ndarray) -> str:
    place = np.argwhere(wrong)[0]
    if len(place) == 2:
        return f" (member {place[0]}, sample {place[1]})"
    return f" (sample {place[0]})"


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
