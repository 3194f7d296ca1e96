"""Damaged copies of every kind of file that is read: each is refused in one line, or gives what it gave.

Tables (csv, parquet) carry no checksum: there a damaged file may be another valid one, and must be read as what it says
now, as another reader confirms.
"""

import csv
import io
import json
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from oracles.votes import random_votes
from safetensors.numpy import save

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_predictions
from evo_ensyth.io.pool_folder import Answers, write_manifest, write_member, write_parent_labels, write_truth
from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.pool import Members, Parent, Pool, Votes
from evo_ensyth.pool.tables import Columns
from evo_ensyth.selection.exact import proof
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import Progress, run
from evo_ensyth.selection.scratch import Scratch
from evo_ensyth.voting import Plurality
from hardening.counts import Harness, memory
from hardening.mutations import mutated

MOST_SECONDS = 2.0
MOST_MEMORY = 200 * 2**20
COLUMNS = Columns(test_from=("fold", "t"), members=("a", "b", "c"))


@dataclass(frozen=True)
class Kind:
    """A kind of file or folder.

    Attributes
    ----------
    make : callable
        Writes a good one into an empty folder; returns the file or folder to read.
    read : callable
        Returns what was read, by names, as values that can be compared.
    damaged : sequence of str
        Patterns of the files to damage, if it is a folder.
    as_it_says : callable, optional
        What another reader finds in a file without checksums; None if it finds nothing.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], dict[str, Any]]
    damaged: tuple[str, ...] = ()
    as_it_says: Callable[[Path], dict[str, Any] | None] | None = None

    def trial(self, number: int, folder: Path) -> str:
        """Damage one file by the number, and read it."""
        _, path, expected = _made(self)
        rng = random.Random(number)
        copy = folder / path.name
        if path.is_dir():
            shutil.copytree(path, copy)
            files = sorted(file for pattern in self.damaged for file in copy.glob(pattern))
            damaged = rng.choice(files)
        else:
            shutil.copy(path, copy)
            damaged = copy
        content = damaged.read_bytes()
        damaged.write_bytes(mutated(content, rng))
        before, start = memory(), time.process_time()
        try:
            with _alarm():
                found = self.read(copy)
        except InputError as error:
            said = str(error)
            assert "\n" not in said.strip(), f"more than one line: {said!r}"
            assert damaged.name in said or path.name in said or copy.name in said, f"names no file: {said!r}"
            outcome = "refused"
        else:
            outcome = self._compared(found, expected, copy)
        assert time.process_time() - start < MOST_SECONDS, f"took {time.process_time() - start:.1f} s"
        assert memory() - before < MOST_MEMORY, f"took {(memory() - before) / 2**20:.0f} MiB"
        return outcome

    def _compared(self, found: dict[str, Any], expected: dict[str, Any], copy: Path) -> str:
        told = found.pop("notes", ())
        other = [name for name in {**expected, **found} if name != "notes" and found.get(name) != expected.get(name)]
        if not other:
            return "the same"
        if told != expected.get("notes", ()):
            return "told in a note"
        says = self.as_it_says(copy) if self.as_it_says else None
        assert says is not None, f"silently different: {', '.join(other)}"
        wrong = [name for name in says if says[name] != found[name]]
        assert not wrong, f"not what the file says: {', '.join(wrong)}"
        return "as the file now says"


@cache
def _made(kind: Kind) -> tuple[Any, Path, dict[str, Any]]:
    """Make a good file once; returns what keeps its folder, the file, and what it holds."""
    whole = tempfile.TemporaryDirectory()
    path = kind.make(Path(whole.name))
    return whole, path, kind.read(path)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise TimeoutError("no end")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 20 * MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def values_of(pool: Pool) -> dict[str, Any]:
    """All that a pool holds, as bytes and plain values."""
    found: dict[str, Any] = {
        "names": pool.names,
        "origins": [dict(origin) for origin in pool.members.origins],
        "costs": {name: values.tolist() for name, values in pool.costs.items()},
        "shared": [(part.name, part.members.tolist(), dict(part.costs)) for part in pool.members.shared],
        "notes": pool.notes,
    }
    for split, votes in pool.splits.items():
        found[f"{split} labels"], found[f"{split} truth"] = votes.y_pred.tobytes(), votes.y_true.tobytes()
        found[f"{split} classes"] = votes.classes
        found[f"{split} groups"] = None if votes.groups is None else votes.groups.tolist()
        if votes.read_scores is not None and not votes.labels_only:
            found[f"{split} scores"] = [np.asarray(scores).tobytes() for scores in votes.scores.members]
    if pool.parent is not None:
        found["parent"] = dict(pool.parent.costs), {split: y.tobytes() for split, y in pool.parent.y_pred.items()}
    return found


def read_values(path: Path) -> dict[str, Any]:
    return values_of(read_predictions(path))


# .npz


def npz(folder: Path, *, soft: bool = False, rich: bool = False, compressed: bool = False) -> Path:
    rng = np.random.default_rng(5)
    arrays: dict[str, Any] = {}
    for split, n_samples in (("search", 60), ("test", 40)):
        labels, truth = random_votes(rng, 6, n_samples, 3)
        arrays[f"{split}_truth"] = truth
        if soft:
            scores = np.eye(3)[labels] * 0.5 + rng.random((6, n_samples, 3)) * 0.4
            arrays[f"{split}_scores"] = (scores / scores.sum(axis=2, keepdims=True)).astype(np.float32)
        else:
            arrays[f"{split}_labels"] = labels
        if rich:
            arrays[f"{split}_groups"] = rng.integers(0, 5, n_samples) + 10 * (split == "test")
            arrays[f"{split}_parent"] = truth
    if rich:
        arrays |= {"names": np.array(list("abcdef")), "cost_ms": np.arange(1, 7), "cost_bytes": np.arange(10, 70, 10)}
        arrays |= {"shared_members": np.array([[1, 1, 0, 0, 0, 0]]), "shared_cost_ms": np.array([1])}
        arrays |= {
            "shared_cost_bytes": np.array([5]),
            "parent_cost_ms": np.array(9.0),
            "classes": np.array(["x", "y", "z"]),
        }
    path = folder / "votes.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def rich_npz(folder: Path) -> Path:
    return npz(folder, rich=True, compressed=True)


# Tables


def _frame() -> dict[str, list[str]]:
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 3, 80)
    columns = {"id": [f"s{i}" for i in range(80)], "truth": ["xyz"[label] for label in truth]}
    columns["fold"] = ["t" if i % 3 == 0 else "s" for i in range(80)]
    for name in "abc":
        labels = np.where(rng.random(80) < 0.7, truth, rng.integers(0, 3, 80))
        columns[name] = ["xyz"[label] for label in labels]
    return columns


def write_csv(folder: Path) -> Path:
    path, columns = folder / "votes.csv", _frame()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_parquet(folder: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    path = folder / "votes.parquet"
    parquet.write_table(pyarrow.table(_frame()), path, write_page_checksum=True)
    return path


def read_columns(path: Path) -> dict[str, Any]:
    """Read a table; what it says, cell by cell, for a comparison with another reader."""
    pool = read_predictions(path, columns=COLUMNS)
    found: dict[str, Any] = {"notes": pool.notes}
    for split, votes in pool.splits.items():
        classes = [str(label) for label in votes.classes]
        found[f"{split} truth"] = [classes[label] for label in votes.y_true]
        for name, row in zip(pool.names, votes.y_pred, strict=True):
            found[f"{split} {name}"] = [classes[label] for label in row]
    return found


def _cells(columns: dict[str, list[Any]]) -> dict[str, Any] | None:
    """What other readers find, in the form of `read_columns`."""
    if not {"truth", "fold", *"abc"} <= set(columns):
        return None
    found = {}
    for split, is_test in (("search", False), ("test", True)):
        rows = [i for i, fold in enumerate(columns["fold"]) if (fold == "t") == is_test]
        for name in ("truth", *"abc"):
            found[f"{split} {name}"] = [str(columns[name][i]) for i in rows]
    return found


def csv_says(path: Path) -> dict[str, Any] | None:
    text = path.read_bytes().decode("utf-8-sig")
    header = text.partition("\n")[0]
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=header.count)) if row]
    return _cells({name: [row[i] for row in rows[1:]] for i, name in enumerate(rows[0])})


def parquet_says(path: Path) -> dict[str, Any] | None:
    from pyarrow import parquet

    try:
        read = parquet.read_table(path, page_checksum_verification=True)
    except Exception:  # it says nothing that one could believe
        return None
    return _cells(read.to_pydict())


# Folders


def pool_folder(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    folder = folder / "pool"
    votes = {split: random_votes(rng, 4, 20, 3) for split in ("search", "test")}
    names = ["a", "b", "c-1", "d_2.x"]
    for i, name in enumerate(names):
        answers = {
            split: Answers(labels[i], np.eye(3, dtype=np.float32)[labels[i]]) for split, (labels, _) in votes.items()
        }
        layers = [
            {"name": "conv", "chain": "trunk" if i < 3 else "own", "costs": {"bytes": 100, "macs": 7.5}},
            {"name": "fc", "chain": f"head {i}", "costs": {"bytes": 10 + i, "macs": 1.0}},
        ]
        weights = save({"fc.weight": np.eye(3, 4), "fc.bias": np.ones(3)})
        origin = {"method": "hand", "step": i}
        write_member(folder, name, origin=origin, layers=layers, report={}, answers=answers, weights=weights)
    for split, (_, truth) in votes.items():
        write_truth(folder, split, truth)
        write_parent_labels(folder, split, truth)
    (folder / "parent.safetensors").write_bytes(save({"fc.weight": np.ones((3, 4))}))
    about = {"dataset": "none", "parent": {"bytes": 400, "macs": 9.0}}
    write_manifest(folder, names, problem="by-hand", n_classes=3, about=about)
    return folder


def read_pool_values(path: Path) -> dict[str, Any]:
    """All of a pool that a search could use: answers, scores and weight masks."""
    from evo_ensyth.io.weight_masks import read_weight_masks

    stored = read_pool(path)
    masks = read_weight_masks(stored)
    assert masks is not None
    about = json.dumps(dict(stored.about))
    return {**values_of(stored.pool), "about": about, "problem": stored.problem, "masks": masks.shared.tobytes()}


@cache
def _problem() -> Problem:
    rng = np.random.default_rng(3)
    labels, truth = random_votes(rng, 9, 240, 4, 0.65)
    members = Members(tuple(f"m{i}" for i in range(9)), costs={"bytes": np.arange(1, 10)})
    search, test = Votes(labels[:, :120], truth[:120], 4, "search"), Votes(labels[:, 120:], truth[120:], 4, "test")
    parent = Parent({"bytes": 90.0}, {"search": truth[:120], "test": truth[120:]})
    pool = Pool(members, search, test, parent, name="drawn")
    return Problem(pool, ("error", "n_members"), vote=Plurality(ties="lowest"))


def run_folder(folder: Path) -> Path:
    write_run(run(_problem(), "nsga2", baselines=["backward_elimination"], budget=300, n_folds=0), folder)
    return folder


def read_run_values(path: Path) -> dict[str, Any]:
    return {**read_run(path).to_dict(), "folder": None}


def checkpoint(folder: Path) -> Path:
    """The checkpoint of a proof that was stopped in the middle."""
    _stopped_proof(folder)
    (path,) = folder.glob("exact-*.json")
    return path


class _StoppedError(Exception):
    """Stops a proof in the middle."""


def _stopped_proof(folder: Path) -> None:
    def stop(progress: Progress) -> None:
        if "% done" in progress.message and progress.message[:4] > "40.0":
            raise _StoppedError

    with _small_parts(), suppress(_StoppedError):
        run(_problem(), "exact", baselines=(), n_folds=0, scratch=Scratch(folder), on_progress=stop)


@contextmanager
def _small_parts() -> Iterator[None]:
    before = proof.LARGEST_PART, proof.SMALLEST_PART
    proof.LARGEST_PART = proof.SMALLEST_PART = 2**3
    try:
        yield
    finally:
        proof.LARGEST_PART, proof.SMALLEST_PART = before


def resume(path: Path) -> dict[str, Any]:
    """Go on with a proof; its front and what is proven."""
    with _small_parts():
        found = run(_problem(), "exact", baselines=(), n_folds=0, scratch=Scratch(path.parent))
    front = found.front
    return {
        "front": [(e.indices, e.search_errors) for e in front],
        "proven": front.proven_sizes,
        "n": front.n_evaluations,
    }


# Exported ensembles


def onnx_file(folder: Path) -> Path:
    """A tiny ensemble as ``export`` writes it, with its card."""
    import onnx_ir as ir

    from evo_ensyth.deployment.card import _packed, described_inputs, metadata
    from evo_ensyth.deployment.graph import add_output, content_of, finished, new_graph

    inputs = _samples()
    tape, given = new_graph(inputs.dtype, inputs.shape[1:], 21)
    weights = tape.constant(np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32), "fc.weight")
    scores = tape.op("MatMul", [given, weights])
    add_output(tape, "label", tape.op("ArgMax", [scores], {"axis": 1, "keepdims": 0}), ir.DataType.INT64, ())
    expected = (inputs @ np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32)).argmax(axis=1)
    card = {
        "format": 1, "problem": "drawn", "labels": [0, 1, 2], "classes": [0, 1, 2], "search_error": 0.125,
        "members": [{"name": "a", "sha256": "0" * 64, "origin": {}}], "costs": {"bytes": 96}, "seed": 1,
        "verified_on": {**described_inputs(inputs, "test", None), "expected": _packed(expected)},
    }  # fmt: skip
    model = finished(tape)
    model.metadata_props.update(metadata(card))
    path = folder / "ensemble.onnx"
    path.write_bytes(content_of(model))
    return path


def _samples() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(50, 8)).astype(np.float32)


def verify_values(path: Path) -> dict[str, Any]:
    from evo_ensyth.deployment import timing
    from evo_ensyth.deployment.verify import verify

    timing.ROUNDS, timing.LEAST = 1, 1e-6
    found = verify(path, _samples())
    notes = (f"{found.n_differing} differ",) if found.n_differing else ()
    return {"card": json.dumps(found.card, sort_keys=True), "n": found.n_samples, "notes": notes}


KINDS = {
    "npz-hard": ("an `.npz` of labels", Kind(npz, read_values)),
    "npz-soft": ("an `.npz` of scores", Kind(partial(npz, soft=True), read_values)),
    "npz-rich": ("an `.npz`, compressed, with costs, shared parts, groups, classes", Kind(rich_npz, read_values)),
    "csv": ("a `.csv`", Kind(write_csv, read_columns, as_it_says=csv_says)),
    "parquet": ("a `.parquet`", Kind(write_parquet, read_columns, as_it_says=parquet_says)),
    "pool": ("any file of a pool's folder", Kind(pool_folder, read_pool_values, ("*.*", "members/*/*"))),
    "run": ("a `run.json`", Kind(run_folder, read_run_values, ("run.json",))),
    "checkpoint": ("the checkpoint of a proof", Kind(checkpoint, resume)),
    "onnx": ("an exported ensemble with its card", Kind(onnx_file, verify_values)),
}  # fmt: skip
FELL = {"npz-hard": (1347,), "csv": (149,), "parquet": (22, 555, 1531, 2101), "onnx": (117, 122, 134, 148)}
HARNESSES = tuple(
    Harness(f"mutated-{name}", f"damage to {what}", 20_000, 40, kind.trial, FELL.get(name, ()))
    for name, (what, kind) in KINDS.items()
)
