"""Share of samples that the vote gets wrong."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples", counts="errors")
def error(ensembles: Ensembles) -> np.ndarray:
    """Share of samples on which the vote is wrong."""
    return ensembles.error_rate
