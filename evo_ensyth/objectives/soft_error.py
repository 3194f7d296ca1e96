"""Share of samples that the soft vote gets wrong."""

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def soft_error(ensembles: Ensembles) -> np.ndarray:
    """Share of samples on which the soft vote is wrong: scores are added as they are, ties go to the lowest class.

    Scores need not add up to 1: those of each member are divided by their sum over the classes.
    """
    return views.ballots(ensembles.votes).errors(ensembles.subsets) / ensembles.votes.n_samples
