"""A manifest whose member lies above the pool."""

from pathlib import Path

from hardening.forged import reseal, small_pool


def attack(folder: Path) -> list[str]:
    def change(manifest: dict) -> None:
        manifest["members"][0]["name"] = "../../../etc"

    reseal(small_pool(folder), change)
    return ["search", "pool"]
