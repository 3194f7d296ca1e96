"""How one-sided the members are: nearly all of them right on a sample, or nearly all wrong."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="1 - variance")
def kohavi_wolpert(ensembles: Ensembles) -> np.ndarray:
    """One minus the Kohavi-Wolpert variance; 1 for one member.

    For ensembles of the same size L the variance is (L - 1) / 2L times the mean disagreement of the pairs, so this
    ranks them as `binary_disagreement` does.
    """
    return ensembles.diversity.likeness("kohavi_wolpert", ensembles.subsets)
