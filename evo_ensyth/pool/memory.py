"""Limit on the memory that one array may take, and how memory is given back."""

import mmap
import os

import numpy as np

from evo_ensyth.errors import InputError


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
