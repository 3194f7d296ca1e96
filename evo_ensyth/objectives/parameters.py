"""Number of non-zero parameters."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="non-zero")
def parameters(ensembles: Ensembles) -> np.ndarray:
    """Non-zero parameters; shared parts count once."""
    return ensembles.total("parameters")
