"""Blocks of samples: pools are laid out a block at a time, so that labels may lie in a file larger than the memory."""

from collections.abc import Callable, Iterator

import numpy as np

from evo_ensyth.engine.kernels.bits import UNIT
from evo_ensyth.engine.kernels.layout import count_rivals
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import give_back

# Labels of all members in a block, in bytes. Pools that fit into the caches of no processor still are one block.
BLOCK = 2**27
Report = Callable[[int, int], object]  # of how many samples are done, out of how many


def sample_blocks(y_pred: np.ndarray) -> Iterator[tuple[int, int]]:
    """Divide the samples of labels, (n_members, n_samples), into ranges: (first, last + 1).

    After each block, its memory is given back if the labels lie in a file.
    """
    n_members, n_samples = y_pred.shape
    size = max(64, BLOCK // (n_members * y_pred.itemsize) // 64 * 64)
    for first in range(0, n_samples, size):
        yield first, min(first + size, n_samples)
        give_back(y_pred)


def rivals_of(votes: Votes, report: Report = lambda done, total: None) -> np.ndarray:
    """Count votes for the truth, votes for the strongest rival, and rivals, of each sample: int32, (3, n_samples)."""
    counts = np.empty((3, votes.n_samples), np.int32)
    for first, last in sample_blocks(votes.y_pred):
        counts[:, first:last] = count_rivals(votes.y_pred, votes.y_true, votes.n_classes, first, last)
        report(last, votes.n_samples)
    return counts


def sorted_blocks(key: np.ndarray, contested: np.ndarray, y_pred: np.ndarray) -> list[np.ndarray]:
    """Sort the contested samples of each block by a key; what does not fill a unit goes with the next block.

    So the planes of a block can be laid out while the labels of few other samples are in use.

    Parameters
    ----------
    key : (n_samples,)
    contested : bool, (n_samples,)
    y_pred : (n_members, n_samples)

    Returns
    -------
    list of int64, (n_contested_samples_of_the_block,)
        Indices of samples; all but the last a multiple of 512.
    """
    found, left = [], np.zeros(0, np.int64)
    for first, last in sample_blocks(y_pred):
        samples = np.concatenate([left, first + np.flatnonzero(contested[first:last])])
        samples = samples[np.argsort(key[samples], kind="stable")]
        filled = len(samples) // UNIT * UNIT if last < len(key) else len(samples)
        found.append(samples[:filled])
        left = samples[filled:]
    return found
