"""An array that says it has 2^40 values, in a hundred bytes."""

import zipfile
from pathlib import Path

from numpy.lib import format as npy


def attack(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "votes.npz", "w") as archive, archive.open("labels.npy", "w") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**20)})
    return ["search", "votes.npz"]
