"""Squared distance of the mean ballot from the truth.

Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1), 1950: summed over
all classes, so that it goes from 0 to 2.
"""

import numpy as np

from evo_ensyth.engine.kernels.ballots import FINE
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="0 to 2")
def brier_score(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of the squared distance of the mean scores from 1 for the truth and 0 for all others.

    If the vote of the problem adds scores, they are its ballots: tempered, weighted, with a part for the label. Scores
    need not add up to 1: those of each member are divided by their sum over the classes. If that is 0, all classes get
    equal shares.
    """
    losses = ensembles.ballots.brier_losses(ensembles.subsets, ensembles.around)
    return np.asarray(losses / (FINE * ensembles.votes.n_samples))
