"""Files of a pool folder that are not what was written: found by digests, and removed so that a build makes them."""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.io.manifest import SPLITS, read_manifest
from evo_ensyth.io.pool_folder import PROBE, read_member
from evo_ensyth.synthesis.build_folder import BuildFolder


def damaged_parts(folder: BuildFolder) -> tuple[str, ...]:
    """Paths below the folder of what is damaged: members and controls, the parent, true labels, the manifest.

    Every file is read, which takes a second for some hundred megabytes.
    """
    manifest, found = _manifest(folder)
    listed = {member["name"]: member["files"] for member in manifest.get("members", ())}
    for place in ("members", "controls/members"):
        for member in _folders_in(folder.path / place):
            digests = listed.get(member.name, {}) if place == "members" else {}
            if not _is_whole(member, digests):
                found.append(f"{place}/{member.name}")
    wanted = {"parent.safetensors": manifest.get("parent")}
    wanted |= {PROBE: manifest.get("about", {}).get("probe")}
    for split in SPLITS:
        wanted[f"{split}.truth.npy"] = manifest.get("truth", {}).get(split)
        wanted[f"parent.{split}.labels.npy"] = manifest.get("parent_labels", {}).get(split)
    return (*found, *(name for name, digest in wanted.items() if digest and _digest(folder.path / name) != digest))


def remove_damaged(folder: BuildFolder) -> tuple[str, ...]:
    """Remove what `damaged_parts` names, and what has to be written again with it; return the names."""
    found = damaged_parts(folder)
    for part in found:
        _remove(folder.path / part)
    if found:
        _remove(folder.path / "pool.json")  # written again once all is there
        for split in SPLITS:
            _remove(folder.path / f"parent.{split}.labels.npy")  # with the true labels, in a second
    return found


def _manifest(folder: BuildFolder) -> tuple[Mapping[str, Any], list[str]]:
    """The manifest, empty if there is none; and its name if it cannot be believed."""
    path = folder.path / "pool.json"
    if not path.exists():
        return {}, []
    try:
        return read_manifest(path), []
    except InputError:
        return {}, [path.name]


def _is_whole(folder: Path, listed: Mapping[str, str]) -> bool:
    """Whether all files of a member are there, as it lists them itself, and as a manifest may list them."""
    try:
        member = read_member(folder.parent.parent, folder.name)
    except InputError:
        return False
    return member is not None and all(
        _digest(folder / file) == digest for files in (member["files"], listed) for file, digest in files.items()
    )


def _digest(path: Path) -> str | None:
    """SHA-256 of a regular file; None where there is none, or it cannot be read."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _folders_in(place: Path) -> Iterator[Path]:
    for entry in sorted(place.iterdir()) if place.is_dir() else ():
        if entry.name[0] != ".":
            yield entry


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
