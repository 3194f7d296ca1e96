"""An array of objects, whose pickle would touch a file when it is loaded."""

import os
from pathlib import Path

import numpy as np


class Touching:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def attack(folder: Path) -> list[str]:
    np.savez(folder / "votes.npz", labels=np.array([[Touching()]], object), truth=np.array([0]))
    return ["search", "votes.npz"]
