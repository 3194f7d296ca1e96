"""Multiply-accumulate operations of an ensemble."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="MACs per sample")
def macs(ensembles: Ensembles) -> np.ndarray:
    """Multiply-accumulate operations per sample with dense kernels; shared parts count once."""
    return ensembles.total("macs")
