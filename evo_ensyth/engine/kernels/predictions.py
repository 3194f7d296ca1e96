"""The plurality vote itself."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.layout import gather


@compiled
def fill_predictions(y_pred, subsets, n_classes, first, last, out):
    """Write to ``out``, (n_subsets, n_samples), the label with the most votes; ties go to the lowest label.

    Only samples ``first`` to ``last - 1`` are looked at.

    ``n_classes`` stands for no answer, in the labels and where none of a subset's members has one.
    """
    n_subsets, n_members = subsets.shape
    counts = np.zeros(n_classes + 1, np.int64)
    members, sizes = np.empty((n_subsets, n_members), np.int32), np.zeros(n_subsets, np.int64)
    for subset in range(n_subsets):
        for member in range(n_members):
            members[subset, sizes[subset]] = member
            sizes[subset] += subsets[subset, member]
    columns = np.empty((64, n_members), y_pred.dtype)
    for start in range(first, last, 64):
        samples = np.arange(start, min(start + 64, last))
        gather(y_pred, samples, columns)
        for subset in range(n_subsets):
            size = sizes[subset]
            for i in range(samples.size):
                best, most = n_classes, 0
                counts[n_classes] = -size  # no answer never wins
                for place in range(size):
                    label = columns[i, members[subset, place]]
                    counts[label] += 1
                    if counts[label] > most or (counts[label] == most and label < best):
                        best, most = np.int64(label), counts[label]
                out[subset, start + i] = best
                for place in range(size):
                    counts[columns[i, members[subset, place]]] = 0
