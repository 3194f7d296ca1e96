"""Arrays that are too large for the memory, limits on the others, and how memory is given back.

An array that would take more than a small part of the memory lies in a file without a name, which is mapped: the system
holds in memory what is in use of it, and the file goes with the array, however the process ends.
"""

import errno
import math
import mmap
import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.memory_limit import memory_limit

BLOCK = 2**22  # bytes
ALIGNED = 8
LINE = 64  # bytes of the processor's cache; a vector that is read across two lines costs twice as much
# The share of the memory from which on an array lies in a file. A search has nine that may be so large: labels, planes
# and what breaks ties, of both splits and of a fold.
LARGE = 1 / 32
NEVER_LARGE = 2**20  # bytes
DISK = Path("/var/tmp")  # noqa: S108 - of temporary files that may be large: /tmp may lie in memory
MOST_FILES = 64  # of the rows of a pool


class _File(mmap.mmap):
    """A mapped file without a name. What was written to it stays when its memory is given back."""


_files: WeakSet[_File] = WeakSet()
_changing = threading.Lock()


def check_fits(what: str, size: int) -> None:
    """Raise an `InputError` if ``size`` bytes are over a quarter of the memory: checks take as much again, or more."""
    most = memory_limit() // 4
    if size > most:
        raise InputError(
            f"{what} would take {size / 2**30:,.1f} GiB; a quarter of this machine's memory is {most / 2**30:,.1f}."
        )


def is_large(size: int) -> bool:
    """Whether an array of so many bytes lies in a file."""
    return size > NEVER_LARGE and size > LARGE * memory_limit()


def folder_for_files() -> str:
    """Where the files lie: the folder that ``TMPDIR`` names, otherwise one on a disk."""
    on_disk = "TMPDIR" not in os.environ and os.access(DISK, os.W_OK)
    return str(DISK) if on_disk else tempfile.gettempdir()


def room(what: str, shape: tuple[int, ...], kind: Any) -> "np.ndarray[Any, Any]":
    """Zeros in memory or, if they are large, in a file.

    Parameters
    ----------
    what : str
        Begins the message.
    shape : tuple of int
    kind : data type

    Raises
    ------
    InputError
        The disk has no space for the file.
    """
    size = math.prod(shape) * np.dtype(kind).itemsize
    if is_large(size):
        return np.frombuffer(_file(what, size), kind).reshape(shape)
    return np.zeros(shape, kind)


def room_on_a_line(what: str, n: int, kind: Any) -> "np.ndarray[Any, Any]":
    """`room` for n numbers that start on a cache line."""
    return room(what, (n,), kind) if is_large(n * np.dtype(kind).itemsize) else zeros_on_a_line(n, kind)


def zeros_on_a_line(n: int, kind: Any) -> "np.ndarray[Any, Any]":
    """Allocate n zeros that start on a cache line.

    The system provides memory on first use, so what is never written to takes none.
    """
    size = np.dtype(kind).itemsize
    found = np.zeros(n + LINE // size, kind)
    start = -(found.ctypes.data // size) % (LINE // size)
    return found[start : start + n]


def give_back(array: np.ndarray) -> None:
    """Give the memory of an array in a file back to the system, which reads it again when it is used.

    Without this, every page that was ever used counts as memory of the process. Other arrays are left alone, as are
    those that do not share what is written to them with their file.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        file = _base(array)
        if isinstance(file, _File) or (isinstance(array, np.memmap) and array.mode == "r"):
            file.madvise(mmap.MADV_DONTNEED)


def give_back_files() -> None:
    """Give the memory of all arrays in files back, see `give_back`."""
    with _changing:
        files = list(_files)
    for file in files:
        if hasattr(mmap, "MADV_DONTNEED"):
            file.madvise(mmap.MADV_DONTNEED)


def is_in_file(array: np.ndarray) -> bool:
    """Whether an array lies in a file, see `room`."""
    return isinstance(_base(array), _File)


class Blocks:
    """Keeps rows in blocks so large that the system has their memory again when the last row of a block is freed.

    Parameters
    ----------
    what : str
        Begins the message.
    size : int
        Bytes of all rows together, at least; if they are large, rows are kept in files.

    Raises
    ------
    InputError
        The disk has no space for the files.
    """

    def __init__(self, what: str = "a row", size: int = 0) -> None:
        self._what, self._in_files = what, is_large(size)
        if self._in_files and size > shutil.disk_usage(folder_for_files()).free:
            raise _no_space(what, size)
        self._size = max(BLOCK, size // MOST_FILES) if self._in_files else BLOCK
        self._block = np.empty(0, np.uint8)

    def kept(self, row: np.ndarray) -> np.ndarray:
        """Return a copy of a row, (n,), in the present block, or in a new one if it does not fit.

        Raises
        ------
        InputError
            The disk has no space for it.
        """
        size = row.nbytes + -row.nbytes % ALIGNED
        if len(self._block) < size:
            give_back(self._block)
            size_of_block = max(self._size, size)
            block = _file(self._what, size_of_block) if self._in_files else mmap.mmap(-1, size_of_block)
            self._block = np.frombuffer(block, np.uint8)
        kept = self._block[: row.nbytes].view(row.dtype)
        self._block = self._block[size:]
        kept[:] = row
        return kept


def _file(what: str, size: int) -> _File:
    folder = folder_for_files()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # or else the process would be killed once the disk is full
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = _File(file.fileno(), size)
            with _changing:
                _files.add(mapped)
            return mapped
    except OSError as error:
        if error.errno == errno.ENOMEM:  # only what is in use counts as memory, but all counts for `ulimit -v`
            raise MemoryError(f"{what} would take {size / 1e6:,.1f} MB of address space.") from error
        raise _no_space(what, size, error.strerror or "no file") from error


def _no_space(what: str, size: int, why: str = "too few") -> InputError:
    folder, free = folder_for_files(), 0
    with suppress(OSError):
        free = shutil.disk_usage(folder).free
    return InputError(
        f"{what} would take {size / 1e6:,.1f} MB in a file in {folder}, where {free / 1e6:,.1f} are free: {why}. Set "
        "TMPDIR to another folder."
    )


def _base(array: np.ndarray) -> Any:
    """What holds the memory of an array."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = base.obj if isinstance(base, memoryview) else base.base
    return base
