"""A weights file of a hundred thousand empty tensors; all digests fit."""

import json
from pathlib import Path

from hardening.forged import forge, small_pool


def attack(folder: Path) -> list[str]:
    pool = small_pool(folder)
    empty = {"dtype": "F32", "shape": [0, 1], "data_offsets": [0, 0]}
    header = json.dumps({f"empty-{i}": empty for i in range(100_000)}).encode()
    forge(pool, "members/a/weights.safetensors", len(header).to_bytes(8, "little") + header)
    return ["pool", "show", "pool"]
