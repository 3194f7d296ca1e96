"""A member whose name would rename the window of a terminal and colour what follows."""

from pathlib import Path

import numpy as np


def attack(folder: Path) -> list[str]:
    labels, names = np.zeros((1, 9), int), np.array(["\x1b]0;owned\x07\x1b[31mred"])
    np.savez(folder / "votes.npz", labels=labels, truth=labels[0], names=names)
    return ["search", "votes.npz"]
