"""Members whose names rich text, Markdown, HTML or a spreadsheet would obey."""

from pathlib import Path

import numpy as np

NAMES = [
    "[red]loud[/red]", "<script>document.title='owned'</script>", "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))", "=HYPERLINK(1)", "@SUM(1)", "a|b`c`", ":bug: $x_{1}$",
]  # fmt: skip


def attack(folder: Path) -> list[str]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    labels = np.where(rng.random((8, 60)) < 0.7, truth, rng.integers(0, 3, (8, 60)))
    np.savez(folder / "votes.npz", labels=labels, truth=truth, names=np.array(NAMES))
    return ["search", "votes.npz", "--selector", "whole_pool", "--folds", "0", "--out", "made"]
