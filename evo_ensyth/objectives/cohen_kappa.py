"""How much more often than by chance two members agree."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="kappa")
def cohen_kappa(ensembles: Ensembles) -> np.ndarray:
    """Cohen's kappa of the labels, averaged over the pairs; 1 for one member."""
    return ensembles.diversity.likeness("cohen_kappa", ensembles.subsets)
