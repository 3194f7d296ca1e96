"""Limit on the memory that one array may take, and how memory is given back."""

import mmap
import os

import numpy as np

from evo_ensyth.errors import InputError

BLOCK = 2**22  # bytes
ALIGNED = 8


def check_fits(what: str, size: int) -> None:
    """Raise an `InputError` if ``size`` bytes are over a quarter of the memory: checks take as much again, or more."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory // 4:
        raise InputError(
            f"{what} would take {size / 2**30:,.1f} GiB; a quarter of this machine's memory is {memory / 2**32:,.1f}."
        )


def give_back(array: np.ndarray) -> None:
    """Give the memory of a file that is mapped for reading back to the system, which reads it again when it is used.

    Without this, every page that was ever read counts as memory of the process. Other arrays are left alone.
    """
    if not isinstance(array, np.memmap) or array.mode != "r" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


class Blocks:
    """Keeps rows in blocks so large that the system has their memory again when the last row of a block is freed."""

    def __init__(self) -> None:
        self._block = np.empty(0, np.uint8)

    def kept(self, row: np.ndarray) -> np.ndarray:
        """Return a copy of a row, (n,), in the present block, or in a new one if it does not fit."""
        size = row.nbytes + -row.nbytes % ALIGNED
        if len(self._block) < size:
            self._block = np.frombuffer(mmap.mmap(-1, max(BLOCK, size)), np.uint8)
        kept = self._block[: row.nbytes].view(row.dtype)
        self._block = self._block[size:]
        kept[:] = row
        return kept
