"""``pool.json``, the manifest of a pool folder, validated field by field because it may come from anyone."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, unsealed

FORMAT = 1
SPLITS = ("search", "test")
MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LARGEST_COST = 2**53  # of a layer: exact as a float, and sums of them as an int64


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest and check that all fields needed to read a pool are present and of the right type.

    Raises
    ------
    InputError
        The manifest is invalid. The message names the file and the field.
    """
    check_no_link(path)
    manifest = read_json(path)
    fields = {"format": int, "problem": str, "n_classes": int, "about": dict, "truth": dict, "members": list}
    check_keys(f"{path}:", manifest, fields | {"parent": str, "sha256": str})
    if manifest["format"] != FORMAT:
        raise InputError(f"{path}: field 'format' is {manifest['format']}; this version reads {FORMAT}.")
    manifest = unsealed(path, manifest)
    check_keys(f"{path}: truth:", manifest["truth"], dict.fromkeys(SPLITS, str))
    if "parent_labels" in manifest:  # pools of earlier versions have none
        check_keys(f"{path}: parent_labels:", manifest["parent_labels"], dict.fromkeys(SPLITS, str))
    for i, member in enumerate(manifest["members"]):
        where = f"{path}: member {i}:"
        check_keys(where, member, {"name": str, "origin": dict, "layers": list, "files": dict})
        if not MEMBER_NAME.fullmatch(member["name"]):
            raise InputError(f"{where} field 'name' is '{member['name']}', which cannot name a member.")
        check_keys(f"{where} files:", member["files"], {f"{split}.labels.npy": str for split in SPLITS})
    _check_layers(path, manifest["members"])
    return manifest


def check_keys(where: str, content: Any, fields: Mapping[str, type]) -> None:
    """Check that ``content`` is an object with these fields and types; error messages start with ``where``."""
    if not isinstance(content, dict):
        raise InputError(f"{where} expected an object, found {type(content).__name__}.")
    for field, kind in fields.items():
        if type(content.get(field)) is not kind:  # not isinstance: in Python, a bool is an int
            raise InputError(f"{where} field '{field}' is missing or not {kind.__name__}.")


def check_no_link(path: Path) -> None:
    """Reject a symbolic link, whose target may be anywhere and may change independently of the pool."""
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link; a pool's files lie in its own folder.")


def _check_layers(path: Path, members: Sequence[Mapping[str, Any]]) -> None:
    """Check that all layers have the same costs, and that shared layers cost the same in every member."""
    names: list[str] | None = None
    costs: dict[str, Mapping[str, Any]] = {}
    for i, member in enumerate(members):
        for layer in member["layers"]:
            where = f"{path}: member {i}: layers:"
            check_keys(where, layer, {"name": str, "chain": str, "costs": dict})
            field = f"{where} field 'costs' of '{layer['name']}'"
            names = sorted(layer["costs"]) if names is None else names
            if sorted(layer["costs"]) != names:
                raise InputError(f"{field} does not name {', '.join(names) or 'nothing'}, as the first one does.")
            for cost, value in layer["costs"].items():
                if not cost.isidentifier():
                    raise InputError(f"{field} calls a cost '{cost}'; use letters, digits and '_'.")
                if type(value) not in (int, float) or not abs(value) < LARGEST_COST:
                    raise InputError(f"{field} gives '{cost}' as {value!r:.40}; expected a number below 2^53.")
            if costs.setdefault(layer["chain"], layer["costs"]) != layer["costs"]:
                raise InputError(f"{field} is not what another layer of the same 'chain' costs.")
        if len({layer["chain"] for layer in member["layers"]}) < len(member["layers"]):
            raise InputError(f"{path}: member {i}: layers: field 'chain' is the same for two of them.")
