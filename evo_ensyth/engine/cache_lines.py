"""Arrays that start on a cache line: a vector that is read across two lines costs twice as much."""

from typing import Any

import numpy as np

LINE = 64  # bytes


def zeros_on_a_line(n: int, kind: type[np.generic]) -> "np.ndarray[Any, Any]":
    """Allocate n zeros. The system provides memory on first use, so what is never written to takes none."""
    size = np.dtype(kind).itemsize
    numbers = np.zeros(n + LINE // size, kind)
    start = -(numbers.ctypes.data // size) % (LINE // size)
    return numbers[start : start + n]
