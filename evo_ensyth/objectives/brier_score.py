"""How far the mean scores are from the truth, squared.

Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1), 1950: summed over
all classes, so that it goes from 0 to 2.
"""

import numpy as np

from evo_ensyth.engine import kernels
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="0 to 2")
def brier_score(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of the squared distance of the mean scores from 1 for the truth and 0 for all others.

    Scores need not add up to 1: they are divided by their sum over the classes; where that is 0, all classes share
    alike.
    """
    scores = ensembles.soft_votes.totals(kernels.add_brier_scores, 1, ensembles.subsets)[:, 0]
    return np.asarray(scores / (kernels.FINE * ensembles.votes.n_samples))
