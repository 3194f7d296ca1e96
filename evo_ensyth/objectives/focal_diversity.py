"""How likely a second member is wrong where a given member is, averaged over the members."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="1 - diversity")
def focal_diversity(ensembles: Ensembles) -> np.ndarray:
    """One minus generalised diversity on the errors of a member, averaged over the members; 1 for one member."""
    return ensembles.diversity.likeness("generalised_diversity", ensembles.subsets, focal=True)
