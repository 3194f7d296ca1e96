"""How one-sided the members are: nearly all of them right on a sample, or nearly all wrong."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="1 - variance")
def kohavi_wolpert(ensembles: Ensembles) -> np.ndarray:
    """One less the Kohavi-Wolpert variance; 1 for one member.

    Among ensembles of one size L it ranks as `binary_disagreement` does, of which the variance is (L - 1) / 2L.
    """
    return ensembles.diversity.likeness("kohavi_wolpert", ensembles.subsets)
