"""Samples that no member of a subset answers."""

import numpy as np

from evo_ensyth.engine.kernels.bits import bits_set
from evo_ensyth.engine.kernels.compiler import compiled


@compiled
def count_unanswered(words, subsets):
    """Count the samples on which all members of a subset are silent: int64, (n_subsets,).

    Each row of ``words``, uint64 (n_members, n_words), has the bits of the samples that a member does not answer.
    """
    n_subsets, n_members = subsets.shape
    n_words = words.shape[1]
    counts = np.zeros(n_subsets, np.int64)
    silent = np.empty(n_words, np.uint64)
    for subset in range(n_subsets):
        silent[:] = ~np.uint64(0)
        for member in range(n_members):
            if subsets[subset, member]:
                for word in range(n_words):
                    silent[word] &= words[member, word]
        for word in range(n_words):
            counts[subset] += np.int64(bits_set(silent[word]))
    return counts
