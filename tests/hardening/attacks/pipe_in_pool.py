"""A pool whose scores are a pipe that nobody writes to."""

import os
from pathlib import Path

from hardening.forged import small_pool


def attack(folder: Path) -> list[str]:
    path = small_pool(folder) / "members" / "a" / "search.scores.npy"
    path.unlink()
    os.mkfifo(path)
    return ["search", "pool", "--vote", "soft"]
