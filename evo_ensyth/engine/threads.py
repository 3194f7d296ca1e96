"""The number of threads that count votes, and how they share the work."""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np


def threads() -> int:
    """Number of threads that count votes: the cores this process may use, at most ``NUMBA_NUM_THREADS``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(numba.config.NUMBA_NUM_THREADS)))


def side_by_side(work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Apply ``work`` to each part on its own thread; a single part runs on the calling thread."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))


def in_ranges(work: Callable[[tuple[int, int]], Any], things: int | range, n_threads: int) -> list[Any]:
    """Apply ``work`` to ranges of things, (first, last), one range for each thread; at least one."""
    first, last = (0, things) if isinstance(things, int) else (things.start, things.stop)
    n_parts = max(1, min(n_threads, last - first))
    ends = [first + part * (last - first) // n_parts for part in range(n_parts + 1)]
    return side_by_side(work, list(itertools.pairwise(ends)))


def interleaved(work: Callable[[np.ndarray], np.ndarray], subsets: np.ndarray, n_threads: int) -> np.ndarray:
    """Apply ``work`` to the subsets on several threads, which take every n-th subset to balance small and large."""
    found = side_by_side(work, [np.ascontiguousarray(subsets[i::n_threads]) for i in range(n_threads)])
    if n_threads == 1:
        return np.asarray(found[0])
    together = np.empty((len(subsets), *found[0].shape[1:]), np.int64)
    for i, part in enumerate(found):
        together[i::n_threads] = part
    return together
