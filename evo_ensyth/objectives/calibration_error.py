"""How far the confidence of an ensemble is from how often it is right.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3: the expected
calibration error, with the fifteen bins of its experiments.
"""

import numpy as np

from evo_ensyth.engine import kernels
from evo_ensyth.objectives import Ensembles, objective

N_BINS = 15


@objective(unit="0 to 1")
def calibration_error(ensembles: Ensembles) -> np.ndarray:
    """Mean over bins of the distance between confidence and accuracy, weighted by the samples of the bins.

    Confidence is the largest share of the mean scores; the bins cut [0, 1] into parts of equal width. A number that is
    small for whoever knows how good he is, even if he is bad: minimise it beside an error, not instead of one.
    """
    overconfidence = ensembles.soft_votes.totals(kernels.add_overconfidence, N_BINS, ensembles.subsets)
    return np.asarray(np.abs(overconfidence).sum(axis=1) / (kernels.FINE * ensembles.votes.n_samples))
