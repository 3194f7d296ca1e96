"""A pool on disk: one folder per member, and a manifest with the SHA-256 digests of its files.

::

    pool.json                     written last; a pool without it is not finished
    search.truth.npy  test.truth.npy
    parent.safetensors            parent.search.labels.npy  parent.test.labels.npy
    probe.safetensors             of modules of users, see `synthesis.probe`
    deployed.json                 costs in onnxruntime, where they were measured; see `io.deployed`
    members/NAME/member.json      origin, costs, layers, digests of the other files
    members/NAME/weights.safetensors
    members/NAME/search.labels.npy  search.scores.npy  test.labels.npy  test.scores.npy

A member's folder is written whole or not at all, so that after an interrupted build every existing member is complete.
File names are derived from member names and never read from a manifest.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import (
    check_digest,
    check_regular,
    folder_written_whole,
    read_checked,
    read_json,
    sealed,
    sha256,
    write_json,
    write_whole,
)
from evo_ensyth.io.deployed import with_deployed
from evo_ensyth.io.manifest import FORMAT, LARGEST_COST, MEMBER_NAME, SPLITS, check_keys, check_no_link, read_manifest
from evo_ensyth.pool.members import Members, shared_parts
from evo_ensyth.pool.memory import room
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.votes import Votes

PROBE = "probe.safetensors"  # inputs of two samples, in pools of modules of users


@dataclass(frozen=True)
class StoredPool:
    """A pool read from its folder.

    Attributes
    ----------
    folder : Path
    problem : str
        Name of the problem that it was built for.
    pool : Pool
        Includes its test split and its parent.
    about : mapping
        Description of the data set, the parent and the recipe, from the manifest.
    layers : tuple of n_members sequences of mappings
        Descriptions of each member's layers, from the manifest; see `shared_parts`. The first one is the call itself
        where deployed costs were measured; see `io.deployed`.
    """

    folder: Path
    problem: str
    pool: Pool
    about: Mapping[str, Any]
    layers: tuple[Sequence[Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Answers:
    """Predictions of one member on one split.

    Attributes
    ----------
    y_pred : uint8 or uint16, (n_samples,)
    scores : float32, (n_samples, n_classes)
        Class probabilities.
    """

    y_pred: np.ndarray
    scores: np.ndarray


def write_member(
    folder: Path,
    name: str,
    *,
    origin: Mapping[str, Any],
    layers: Sequence[Mapping[str, Any]],
    report: Mapping[str, Any],
    answers: Mapping[str, Answers],
    weights: bytes,
) -> None:
    """Add one finished member to a pool folder, whole or not at all.

    Parameters
    ----------
    folder : Path
        The pool's folder.
    name : str
        Letters, digits, dots, dashes and underscores.
    origin : mapping
        ``method`` and its settings.
    layers : sequence of mappings
        Layers from the input on, each with ``name``, ``chain`` and ``costs``; see `shared_parts`. The member's costs
        are their sums.
    report : mapping
        Measurements made while building it: densities, residuals, accuracies on training data.
    answers : mapping of split to Answers
    weights : bytes
        Content of a safetensors file.
    """
    if not MEMBER_NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot name a member; use letters, digits, '.', '_' and '-', 128 at most.")
    files = {"weights.safetensors": weights}
    for split in SPLITS:
        files[f"{split}.labels.npy"] = _npy(answers[split].y_pred)
        files[f"{split}.scores.npy"] = _npy(answers[split].scores.astype(np.float32))
    with folder_written_whole(folder / "members" / name) as made:
        for file, content in files.items():
            write_whole(made / file, content)
        digests = {file: sha256(content) for file, content in files.items()}
        about = {"name": name, "origin": origin, "layers": layers, "report": report, "files": digests}
        write_json(made / "member.json", about)


def amend_member(folder: Path, name: str, *, layers: Sequence[Mapping[str, Any]], report: Mapping[str, Any]) -> None:
    """Replace the layers and the report of an existing member."""
    member = read_member(folder, name)
    assert member is not None
    write_json(folder / "members" / name / "member.json", {**member, "layers": layers, "report": report})


def read_member(folder: Path, name: str) -> Mapping[str, Any] | None:
    """Read the ``member.json`` of a member; returns None if the pool does not have this member yet."""
    path = folder / "members" / name / "member.json"
    if not path.exists():
        return None
    member = read_json(path)
    check_keys(f"{path}:", member, {"name": str, "origin": dict, "layers": list, "report": dict, "files": dict})
    if member["name"] != name:
        raise InputError(f"{path}: field 'name' is '{member['name']}'; expected '{name}'.")
    return dict(member)


def write_truth(folder: Path, split: str, truth: np.ndarray) -> None:
    """Write the true labels of a split, (n_samples,)."""
    write_whole(folder / f"{split}.truth.npy", _npy(truth))


def write_parent_labels(folder: Path, split: str, labels: np.ndarray) -> None:
    """Write the predictions of the parent on a split, (n_samples,)."""
    write_whole(folder / f"parent.{split}.labels.npy", _npy(labels))


def write_manifest(
    folder: Path, names: Sequence[str], *, problem: str, n_classes: int, about: Mapping[str, Any]
) -> None:
    """Finish a pool: list its members, in order, with the digests of all its files."""
    members = [_member_entry(folder, name) for name in names]
    truth = {split: sha256((folder / f"{split}.truth.npy").read_bytes()) for split in SPLITS}
    parent_labels = {split: sha256((folder / f"parent.{split}.labels.npy").read_bytes()) for split in SPLITS}
    content = {
        "format": FORMAT,
        "problem": problem,
        "n_classes": n_classes,
        "about": about,
        "truth": truth,
        "parent": sha256((folder / "parent.safetensors").read_bytes()),
        "parent_labels": parent_labels,
        "members": members,
    }
    write_json(folder / "pool.json", sealed(content))


def read_pool(folder: Path | str) -> StoredPool:
    """Read members, costs and votes of a finished pool. Weights stay on disk, and scores are loaded on first use.

    Raises
    ------
    InputError
        The folder holds no finished pool, a file is missing or does not match the manifest, or fields contradict each
        other.
    """
    folder = Path(folder)
    path = folder / "pool.json"
    if not path.exists():
        raise InputError(f"{folder} holds no finished pool: there is no {path}.")
    manifest = read_manifest(path)
    members, layers = manifest["members"], with_deployed(folder, manifest)
    try:
        listed = Members(
            names=tuple(member["name"] for member in members),
            origins=tuple(member["origin"] for member in members),
            costs=_costs(layers),
            shared=shared_parts(layers),
        )
    except InputError as error:
        raise InputError(f"{path}: field 'members': {error}") from error
    votes = {split: _read_votes(folder, manifest, split) for split in SPLITS}
    parent = _read_parent(folder, manifest, listed, votes)
    source = {"kind": "pool", "name": folder.name}
    pool = Pool(listed, votes["search"], votes["test"], parent, name=manifest["problem"], source=source)
    return StoredPool(folder, manifest["problem"], pool, manifest["about"], tuple(layers))


def read_scores(stored: StoredPool, split: str) -> Scores:
    """Read the scores of a stored pool on a split; see `Votes.scores`.

    Raises
    ------
    InputError
        A file is missing, is a symbolic link or not an array, or does not match the pool's votes; or a score is
        invalid.
    """
    return stored.pool.splits[split].scores


def _member_entry(folder: Path, name: str) -> dict[str, Any]:
    member = read_member(folder, name)
    if member is None:
        raise InputError(f"{folder} has no member '{name}'; 'pool build' makes it.")
    digest = sha256((folder / "members" / name / "member.json").read_bytes())
    files = {**member["files"], "member.json": digest}
    return {"name": name, "origin": member["origin"], "layers": member["layers"], "files": files}


def _costs(layers: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, np.ndarray]:
    names: Iterable[str] = next((layer["costs"] for stack in layers for layer in stack), ())
    sums = {cost: [sum(layer["costs"][cost] for layer in stack) for stack in layers] for cost in names}
    return {cost: np.array(values) for cost, values in sums.items()}


def _read_votes(folder: Path, manifest: Mapping[str, Any], split: str) -> Votes:
    n_classes = manifest["n_classes"]
    path = folder / f"{split}.truth.npy"
    truth = read_checked(path, manifest["truth"][split], _from_npy)
    shape = (len(manifest["members"]), *truth.shape)
    kind = np.uint8 if n_classes <= 256 else np.uint16
    labels = room(f"the {split} labels", shape, kind)
    for i, member in enumerate(manifest["members"]):
        file = f"{split}.labels.npy"
        path = folder / "members" / member["name"] / file
        for part in (path.parent.parent, path.parent):
            check_no_link(part)
        row = read_checked(path, member["files"][file], _from_npy)
        if row.shape != truth.shape or row.dtype.kind not in "iu":
            raise InputError(
                f"{path} has shape {row.shape} and type {row.dtype}; expected whole numbers, {truth.shape}."
            )
        if row.min(initial=0) < 0:
            raise InputError(f"{path} holds {row.min()}; labels start at 0.")
        if row.max(initial=0) > np.iinfo(kind).max or row.max(initial=0) >= n_classes >= 1:
            raise InputError(f"{path} holds {row.max()}; with {n_classes} classes, labels go to {n_classes - 1}.")
        labels[i] = row
    labels.setflags(write=False)
    digests = {member["name"]: member["files"].get(f"{split}.scores.npy") for member in manifest["members"]}
    scores = partial(_mapped_scores, folder, digests, truth, n_classes, split)
    try:
        return Votes(labels, truth, n_classes, split, scores)
    except InputError as error:
        raise InputError(f"{folder / 'pool.json'}, with the files it lists: {error}") from error


def _read_parent(folder: Path, manifest: Mapping[str, Any], pool: Members, votes: Mapping[str, Votes]) -> Parent:
    described = manifest["about"].get("parent")
    costs = {
        cost: float(described[cost])
        for cost in pool.costs
        if isinstance(described, dict)
        and type(described.get(cost)) in (int, float)
        and 0 <= described[cost] < LARGEST_COST
    }
    labels = {}
    for split in SPLITS if "parent_labels" in manifest else ():
        path = folder / f"parent.{split}.labels.npy"
        labels[split] = read_checked(path, manifest["parent_labels"][split], _from_npy)
        truth = votes[split].y_true
        if labels[split].shape != truth.shape or labels[split].dtype.kind not in "iu":
            raise InputError(
                f"{path} has shape {labels[split].shape} and type {labels[split].dtype}; expected whole numbers, "
                f"{truth.shape}."
            )
    return Parent(costs, labels)


def _mapped_scores(
    folder: Path, digests: Mapping[str, str | None], truth: np.ndarray, n_classes: int, split: str
) -> Scores:
    """Map the scores in a pool's folder into memory, so that only the parts in use are held there.

    Every file is read once for its digest, by the name of the member in ``digests``; earlier versions listed none.

    Raises
    ------
    InputError
        A file is missing, is a symbolic link, not an array or not the one listed, or does not match the true labels; or
        a score is invalid.
    """
    shape = (len(truth), n_classes)
    members = []
    for name, digest in digests.items():
        path = folder / "members" / name / f"{split}.scores.npy"
        members.append(_mapped(path))
        if members[-1].shape != shape:
            raise InputError(f"{path} has shape {members[-1].shape}; the votes of its pool need {shape}.")
        if digest is not None:
            check_digest(path, digest)
    try:
        return Scores(members, truth, split)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def _mapped(path: Path) -> np.ndarray:
    for part in (path.parent.parent, path.parent, path):
        check_no_link(part)
    if not path.exists():
        raise InputError(f"{path} does not exist; 'pool build --repair' makes it again.")
    check_regular(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy raises nearly anything for damaged files
        raise InputError(f"{path} is not a complete .npy file: {error}.") from error


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def _from_npy(content: bytes) -> np.ndarray:
    return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
