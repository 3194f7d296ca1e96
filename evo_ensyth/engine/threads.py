"""How many threads count votes, and how they share the work."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np


def threads() -> int:
    """How many threads count votes: as many as this process may use, or ``NUMBA_NUM_THREADS`` if that is fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(numba.config.NUMBA_NUM_THREADS)))


def side_by_side(work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Do the same work for each of some parts, each on a thread of its own; a single one on this thread."""
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))


def interleaved(work: Callable[[np.ndarray], np.ndarray], subsets: np.ndarray, n_threads: int) -> np.ndarray:
    """Join what threads find for their subsets; each gets every n-th, so small and large ones alike."""
    found = side_by_side(work, [np.ascontiguousarray(subsets[i::n_threads]) for i in range(n_threads)])
    if n_threads == 1:
        return np.asarray(found[0])
    together = np.empty((len(subsets), *found[0].shape[1:]), np.int64)
    for i, part in enumerate(found):
        together[i::n_threads] = part
    return together
