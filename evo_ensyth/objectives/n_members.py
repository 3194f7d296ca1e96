"""Number of members."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="members", counts="members")
def n_members(ensembles: Ensembles) -> np.ndarray:
    """Size of the ensemble."""
    return ensembles.sizes
