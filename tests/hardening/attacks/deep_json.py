"""A run as deep as a well."""

from pathlib import Path


def attack(folder: Path) -> list[str]:
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text("[" * 200_000)
    return ["pick", "run"]
