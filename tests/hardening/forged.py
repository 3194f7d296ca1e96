"""Pools as somebody who means harm would write them: other content, with digests that fit."""

import json
from collections.abc import Callable
from pathlib import Path

from evo_ensyth.files import sealed, sha256
from hardening.mutated_files import pool_folder as small_pool

__all__ = ["forge", "reseal", "small_pool"]


def forge(pool: Path, file: str, content: bytes) -> None:
    """Replace a file of a member, in all places that name its digest."""
    path = pool / file
    path.write_bytes(content)
    about = path.parent / "member.json"
    member = json.loads(about.read_text())
    member["files"][path.name] = sha256(content)
    about.write_text(json.dumps(member))

    def change(manifest: dict) -> None:
        for listed in manifest["members"]:
            if listed["name"] == path.parent.name:
                listed["files"] |= {path.name: sha256(content), "member.json": sha256(about.read_bytes())}

    reseal(pool, change)


def reseal(pool: Path, change: Callable[[dict], object]) -> None:
    """Change the manifest of a pool, and seal it again."""
    path = pool / "pool.json"
    manifest = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    change(manifest)
    path.write_text(json.dumps(sealed(manifest)))
