"""How likely a second member is wrong where a first one is."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="1 - diversity")
def generalised_diversity(ensembles: Ensembles) -> np.ndarray:
    """One minus generalised diversity; 1 for one member, and if no member errs."""
    return ensembles.diversity.likeness("generalised_diversity", ensembles.subsets)
