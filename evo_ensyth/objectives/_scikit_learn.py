"""Scorers of scikit-learn as objectives, by names such as ``sklearn.balanced_accuracy``."""

import warnings
from typing import Any

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import build_extra
from evo_ensyth.plugins import unknown

PREFIX = "sklearn."
# Scorers of this prefix return the negative of a loss.
NEGATED = "neg_"


class Loss:
    """One scorer, as a loss: one minus the score or, for scorers that negate a loss, that loss.

    Parameters
    ----------
    name : str
        As in `sklearn.metrics.get_scorer_names`.

    Raises
    ------
    InputError
        scikit-learn is not installed, or has no such scorer.
    """

    def __init__(self, name: str) -> None:
        with build_extra():
            from sklearn.metrics import get_scorer, get_scorer_names
        if name not in get_scorer_names():
            raise unknown("scorer of scikit-learn", name, get_scorer_names())
        self.name = name
        self._scorer = get_scorer(name)

    def evaluate(self, ensembles: Ensembles) -> np.ndarray:
        """Loss of each ensemble: float64, (n_ensembles,)."""
        samples = np.arange(ensembles.votes.n_samples)
        return np.array([self._of(_estimator(ensembles, row), ensembles, samples) for row in range(len(ensembles))])

    def resampled(self, ensembles: Ensembles, counts: np.ndarray) -> np.ndarray:
        """Loss of one ensemble on resamples; see `Objective.resampled`."""
        estimator, samples = _estimator(ensembles, 0), np.arange(ensembles.votes.n_samples)
        return np.array([self._of(estimator, ensembles, np.repeat(samples, drawn)) for drawn in counts])

    def _of(self, estimator: Any, ensembles: Ensembles, samples: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about classes that are only predicted, or predicted never
            score = self._scorer(estimator, samples[:, None], ensembles.votes.y_true[samples].astype(np.int64))
        return float(-score if self.name.startswith(NEGATED) else 1 - score)


def _estimator(ensembles: Ensembles, row: int) -> Any:
    """Return one ensemble as a classifier of scikit-learn, whose samples are their indices, (n_samples, 1)."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    predictions = ensembles.predictions[row].astype(np.int64)

    class Voters(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(ensembles.votes.n_classes)

        def predict(self, X: np.ndarray) -> np.ndarray:
            return np.asarray(predictions[X[:, 0]])

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            return np.asarray(ensembles.shares(row)[X[:, 0]])

    return Voters()
