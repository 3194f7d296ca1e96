"""One minus the area under the ROC curve, one class against the rest.

Hanley, McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143,
1982; Provost, Domingos, "Well-trained PETs: Improving probability estimation trees", CeDER working paper IS-00-04,
2001, on one class against the rest.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective

# Where only one class is true, nothing is ranked: the loss of a guess.
GUESS = 0.5


def resampled(ensembles: Ensembles, counts: np.ndarray) -> np.ndarray:
    """AUC loss of one ensemble on resamples; see `Objective.resampled`."""
    return losses(ensembles.shares(0), ensembles.votes.y_true, counts)


@objective(unit="1 - AUC", resampled=resampled)
def auc_loss(ensembles: Ensembles) -> np.ndarray:
    """Share of pairs, one sample of a class and one of another, that the vote's share for the class ranks wrongly.

    Averaged over the classes; equal shares count half. The share is what the class has of the sum of the vote: of the
    votes themselves, or of the probabilities that are added up.
    """
    once = np.ones((1, ensembles.votes.n_samples), np.int64)
    each = (losses(ensembles.shares(row), ensembles.votes.y_true, once) for row in range(len(ensembles)))
    return np.concatenate(list(each))


def losses(shares: np.ndarray, y_true: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """One minus the mean AUC of the classes that have samples on both sides: float64, (n_resamples,).

    Parameters
    ----------
    shares : float64, (n_samples, n_classes)
    y_true : int, (n_samples,)
    counts : int64, (n_resamples, n_samples)
        How often each sample was drawn.
    """
    total, n_ranked = np.zeros(len(counts)), np.zeros(len(counts), np.int64)
    for label in np.unique(y_true).tolist():
        order = np.argsort(shares[:, label])  # counts are whole numbers, so the order of equals does not matter
        share, weights = shares[order, label], counts[:, order]
        starts = np.flatnonzero(np.append(True, share[1:] != share[:-1]))
        inside = np.add.reduceat(weights * (y_true[order] == label), starts, axis=1)
        outside = np.add.reduceat(weights, starts, axis=1) - inside
        n_pairs = inside.sum(axis=1) * outside.sum(axis=1)
        ranked = n_pairs > 0
        higher = outside.sum(axis=1)[:, None] - outside.cumsum(axis=1)  # outside, with a larger share
        wrong = (inside * (2 * higher + outside)).sum(axis=1)
        total += np.where(ranked, wrong / (2 * np.maximum(n_pairs, 1)), 0.0)
        n_ranked += ranked
    return np.where(n_ranked > 0, total / np.maximum(n_ranked, 1), GUESS)
