"""Share of samples that the soft vote gets wrong."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def soft_error(ensembles: Ensembles) -> np.ndarray:
    """Share of samples on which the soft vote is wrong: scores are added, and ties go to the lowest class."""
    return ensembles.soft_votes.errors(ensembles.subsets) / ensembles.votes.n_samples
