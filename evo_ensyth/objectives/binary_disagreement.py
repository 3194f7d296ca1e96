"""How often two members are both right or both wrong."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="1 - disagreement")
def binary_disagreement(ensembles: Ensembles) -> np.ndarray:
    """Share of samples on which both of a pair are right or both wrong, averaged over the pairs; 1 for one member."""
    return ensembles.diversity.likeness("binary_disagreement", ensembles.subsets)
