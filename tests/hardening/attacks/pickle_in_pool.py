"""A labels file of a pool with a pickle inside; all digests fit."""

import io
import os
from pathlib import Path

import numpy as np
from hardening.forged import forge, small_pool


class Touching:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def attack(folder: Path) -> list[str]:
    pool, file = small_pool(folder), io.BytesIO()
    np.save(file, np.array([Touching()] * 20, object), allow_pickle=True)
    forge(pool, "members/a/search.labels.npy", file.getvalue())
    return ["search", "pool"]
