"""A table with a cell of ten megabytes."""

from pathlib import Path


def attack(folder: Path) -> list[str]:
    (folder / "votes.csv").write_text("truth,a\nx," + "y" * 10_000_000 + "\n")
    return ["search", "votes.csv"]
