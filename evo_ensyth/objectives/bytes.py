"""Storage size of an ensemble."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="bytes")
def bytes(ensembles: Ensembles) -> np.ndarray:
    """Bytes in the storage format of the pool, with shared parts counted once."""
    return ensembles.total("bytes")
