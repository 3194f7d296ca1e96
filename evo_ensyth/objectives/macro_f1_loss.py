"""One minus the F1 score, averaged over the classes.

van Rijsbergen, "Information Retrieval", 1979, chapter 7; Opitz, Burst, "Macro F1 and Macro F1", arXiv 1911.03347, 2019,
on the two averages of this name: this is the mean of the classes' F1 scores.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective
from evo_ensyth.objectives._by_class import in_classes


def resampled(ensembles: Ensembles, counts: np.ndarray) -> np.ndarray:
    """Macro F1 loss of one ensemble on resamples; see `Objective.resampled`."""
    votes, predicted = ensembles.votes, ensembles.predictions[0]
    right = in_classes(votes.y_true, votes.n_classes, counts, predicted == votes.y_true)
    sizes = in_classes(votes.y_true, votes.n_classes, counts)
    return _loss(right, sizes, in_classes(predicted, votes.n_classes, counts))


@objective(unit="1 - F1", resampled=resampled)
def macro_f1_loss(ensembles: Ensembles) -> np.ndarray:
    """One minus the mean F1 score of the classes, the harmonic mean of their precision and recall.

    The mean is over all classes that are true or predicted for some sample, as in scikit-learn. Unanswered samples
    lower the recall of their class and the precision of none.
    """
    votes = ensembles.votes
    n = votes.n_classes
    predicted = np.array([np.bincount(row, minlength=n + 1)[:n] for row in ensembles.predictions])
    return _loss(votes.class_sizes - ensembles.errors_by_class, votes.class_sizes, predicted)


def _loss(right: np.ndarray, sizes: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Loss from counts of samples by class, (n, n_classes) each: right ones, true ones, predicted ones."""
    both = sizes + predicted
    there = both > 0
    scores = np.where(there, 2 * right / np.maximum(both, 1), 0.0)
    return np.asarray(1 - scores.sum(axis=1) / there.sum(axis=1))
