"""Yule's Q: whether two members are right on the same samples."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="Q")
def q_statistic(ensembles: Ensembles) -> np.ndarray:
    """Yule's Q of being right, averaged over the pairs; 1 for one member."""
    return ensembles.diversity.likeness("q_statistic", ensembles.subsets)
