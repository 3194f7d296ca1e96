"""A pool whose labels are a link to another file of this machine."""

from pathlib import Path

from hardening.forged import small_pool


def attack(folder: Path) -> list[str]:
    path = small_pool(folder) / "members" / "a" / "search.labels.npy"
    path.unlink()
    path.symlink_to("/etc/passwd")
    return ["search", "pool"]
