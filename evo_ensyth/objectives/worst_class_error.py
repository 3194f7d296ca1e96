"""Error on the class with the largest error."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def worst_class_error(ensembles: Ensembles) -> np.ndarray:
    """Largest error among the true classes: the share of a class's samples on which the vote is wrong.

    Classes without samples in the split are left out. For classes with few samples this is a rough estimate. Together
    with an error over all samples, it keeps ensembles from gaining accuracy at the expense of one class.
    """
    there = ensembles.votes.class_sizes > 0
    shares = ensembles.errors_by_class[:, there] / ensembles.votes.class_sizes[there]
    return np.asarray(shares.max(axis=1))
