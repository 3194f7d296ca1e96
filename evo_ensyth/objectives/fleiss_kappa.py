"""How much more often members agree than by chance, over all members at once."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="kappa")
def fleiss_kappa(ensembles: Ensembles) -> np.ndarray:
    """Fleiss' kappa of the labels; 1 for one member."""
    return ensembles.diversity.likeness("fleiss_kappa", ensembles.subsets)
