"""Error on the class that fares worst."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def worst_class_error(ensembles: Ensembles) -> np.ndarray:
    """Largest error among the true classes: the share of a class's samples on which the plurality vote is wrong.

    Classes that no sample of the split has are left out. With few samples of a class this is a rough number: beside an
    error of all samples it keeps an ensemble from paying for its gains with one class.
    """
    there = ensembles.votes.class_sizes > 0
    shares = ensembles.errors_by_class[:, there] / ensembles.votes.class_sizes[there]
    return np.asarray(shares.max(axis=1))
