"""How far an ensemble's confidence is from its accuracy.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3: the expected
calibration error, with the fifteen bins of its experiments.
"""

import numpy as np

from evo_ensyth.engine.kernels.ballots import FINE
from evo_ensyth.engine.outcomes import Outcomes
from evo_ensyth.objectives import Ensembles, objective

N_BINS = 15


@objective(unit="0 to 1")
def calibration_error(ensembles: Ensembles) -> np.ndarray:
    """Mean over bins of the distance between confidence and accuracy, weighted by the number of samples in each bin.

    Confidence is the largest share of the mean scores; the bins divide [0, 1] into intervals of equal width. An
    ensemble with many errors can still be well calibrated, so minimise this together with an error, not instead of one.
    If the vote of the problem adds scores, they are its ballots; see `brier_score`.
    """
    overconfidence = [_overconfidence(outcomes) for outcomes in ensembles.ballots.outcomes(ensembles.subsets)]
    distances = np.abs(np.concatenate(overconfidence)).sum(axis=1)
    return np.asarray(distances / (FINE * ensembles.votes.n_samples))


def _overconfidence(outcomes: Outcomes) -> np.ndarray:
    """Sum of confidence minus correctness in each bin, in steps of 2^-32: int64, (n_ensembles, n_bins).

    The bins are ``(0, 1 / n_bins]``, ..., ``(1 - 1 / n_bins, 1]``; a sample belongs to the bin of its largest share.
    """
    promised = np.rint(outcomes.most / np.maximum(outcomes.whole, 1) * FINE).astype(np.int64)
    bins = (promised * N_BINS - 1) // int(FINE)
    over = promised - outcomes.right * int(FINE)
    return np.stack([np.where(bins == i, over, 0).sum(axis=1) for i in range(N_BINS)], axis=1)
