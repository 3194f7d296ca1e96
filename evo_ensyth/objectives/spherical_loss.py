"""One minus the cosine of the angle between the mean ballot and the truth.

Good, "Measurement and decision under uncertainty", 1971, in Foundations of Statistical Inference; Gneiting and Raftery,
"Strictly proper scoring rules, prediction, and estimation", JASA 102(477), 2007, section 4: the spherical score.
"""

import numpy as np

from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="0 to 1")
def spherical_loss(ensembles: Ensembles) -> np.ndarray:
    """Mean over samples of 1 - p_y / ``|p|``, where p are the mean scores of the classes and p_y that of the truth.

    If the vote of the problem adds scores, they are its ballots; see `brier_score`.
    """
    losses = ensembles.ballots.spherical_losses(ensembles.subsets, ensembles.around)
    return np.asarray(losses / (STEPS * ensembles.votes.n_samples))
