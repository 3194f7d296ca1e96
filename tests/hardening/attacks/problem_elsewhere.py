"""A manifest whose results would be written above the working folder."""

from pathlib import Path

from hardening.forged import reseal, small_pool


def attack(folder: Path) -> list[str]:
    reseal(small_pool(folder), lambda manifest: manifest.update(problem="../../pwned"))
    return ["search", "pool", "--budget", "20"]
