"""Mean error of the classes.

Brodersen, Ong, Stephan, Buhmann, "The balanced accuracy and its posterior distribution", ICPR 2010, for two classes.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective
from evo_ensyth.objectives._by_class import in_classes


def resampled(ensembles: Ensembles, counts: np.ndarray) -> np.ndarray:
    """Balanced error of one ensemble on resamples; see `Objective.resampled`."""
    votes = ensembles.votes
    wrong = ensembles.predictions[0] != votes.y_true
    return _mean_of_classes(
        in_classes(votes.y_true, votes.n_classes, counts, wrong), in_classes(votes.y_true, votes.n_classes, counts)
    )


@objective(unit="share of samples", resampled=resampled)
def balanced_error(ensembles: Ensembles) -> np.ndarray:
    """Error on each class, averaged over the classes: one minus the balanced accuracy.

    Classes without samples in the split are left out. Every class counts the same, however few samples it has.
    """
    return _mean_of_classes(ensembles.errors_by_class, ensembles.votes.class_sizes[None])


def _mean_of_classes(errors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur of errors divided by sizes, (n, n_classes) both: float64, (n,)."""
    there = sizes > 0
    shares = np.where(there, errors / np.maximum(sizes, 1), 0.0)
    return np.asarray(shares.sum(axis=1) / there.sum(axis=1))
