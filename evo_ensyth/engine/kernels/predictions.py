"""The plurality vote itself."""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled


@compiled
def fill_predictions(y_pred, subsets, n_classes, out):
    """Write to ``out``, (n_subsets, n_samples), the label with the most votes; ties go to the lowest label.

    ``n_classes`` stands for no answer, in the labels and where none of a subset's members has one.
    """
    n_members, n_samples = y_pred.shape
    counts = np.zeros(n_classes + 1, np.int64)
    members = np.empty(n_members, np.int64)
    for subset in range(subsets.shape[0]):
        size = 0
        for member in range(n_members):
            members[size] = member
            size += subsets[subset, member]
        for sample in range(n_samples):
            best, most = n_classes, 0
            counts[n_classes] = -size  # no answer never wins
            for member in members[:size]:
                label = y_pred[member, sample]
                counts[label] += 1
                if counts[label] > most or (counts[label] == most and label < best):
                    best, most = np.int64(label), counts[label]
            out[subset, sample] = best
            for member in members[:size]:
                counts[y_pred[member, sample]] = 0
