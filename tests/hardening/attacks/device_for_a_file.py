"""A file of predictions that never ends."""

from pathlib import Path


def attack(folder: Path) -> list[str]:
    (folder / "votes.npz").symlink_to("/dev/zero")
    return ["search", "votes.npz"]
