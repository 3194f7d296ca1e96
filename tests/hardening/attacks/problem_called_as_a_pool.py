"""A pool, and beside it a problem of the same name, whose module would run."""

from pathlib import Path

from hardening.forged import small_pool


def attack(folder: Path) -> list[str]:
    small_pool(folder)
    (folder / "problems").mkdir()
    (folder / "problems" / "pool.py").write_text("from pathlib import Path\nPath('pwned').touch()\n")
    return ["search", "pool", "--budget", "20", "--out", "made"]
