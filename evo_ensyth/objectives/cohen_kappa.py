"""How much more often two members agree than by chance."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="kappa")
def cohen_kappa(ensembles: Ensembles) -> np.ndarray:
    """Cohen's kappa of the labels, averaged over the pairs; 1 for one member."""
    return ensembles.diversity.likeness("cohen_kappa", ensembles.subsets)
