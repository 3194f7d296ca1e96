"""How far an ensemble's confidence is from its accuracy.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3: the expected
calibration error, with the fifteen bins of its experiments.
"""

import numpy as np

from evo_ensyth.engine.kernels.compiler import compiled
from evo_ensyth.engine.kernels.scores import FINE, share_of_each
from evo_ensyth.objectives import Ensembles, objective

N_BINS = 15


@objective(unit="0 to 1")
def calibration_error(ensembles: Ensembles) -> np.ndarray:
    """Mean over bins of the distance between confidence and accuracy, weighted by the number of samples in each bin.

    Confidence is the largest share of the mean scores; the bins divide [0, 1] into intervals of equal width. An
    ensemble with many errors can still be well calibrated, so minimise this together with an error, not instead of one.
    """
    overconfidence = ensembles.soft_votes.totals(add_overconfidence, N_BINS, ensembles.subsets)
    return np.asarray(np.abs(overconfidence).sum(axis=1) / (FINE * ensembles.votes.n_samples))


@compiled
def add_overconfidence(sums: np.ndarray, truth: np.ndarray, overconfidence: np.ndarray) -> None:
    """Add each sample's confidence minus correctness, in units of 2^-32, to its bin of (n_subsets, n_bins).

    The bins are ``(0, 1 / n_bins]``, ..., ``(1 - 1 / n_bins, 1]``; a sample belongs to the bin of its largest share.
    """
    n_bins = overconfidence.shape[1]
    for subset in range(sums.shape[0]):
        for sample in range(truth.size):
            row = sums[subset, sample]
            factor, more = share_of_each(row)
            predicted = row.argmax()
            promised = np.int64(np.rint((row[predicted] * factor + more) * FINE))
            if predicted == truth[sample]:
                overconfidence[subset, (promised * n_bins - 1) >> 32] += promised - (1 << 32)
            else:
                overconfidence[subset, (promised * n_bins - 1) >> 32] += promised
