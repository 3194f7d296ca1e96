"""A file of two hundred kilobytes that would unpack to two hundred million labels."""

import zipfile
from pathlib import Path

from numpy.lib import format as npy


def attack(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "votes.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("labels", (200, 1_000_000)), ("truth", (1_000_000,))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
                for _ in range(shape[0] if len(shape) == 2 else 1):
                    file.write(bytes(1_000_000))
    return ["search", "votes.npz"]
