"""Storage that an ensemble takes."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="bytes")
def bytes(ensembles: Ensembles) -> np.ndarray:
    """Bytes in the format that the pool names, shared parts once."""
    return ensembles.total("bytes")
