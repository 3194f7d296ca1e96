"""An ensembler for the simulations of TabArena, which is passed to them as ``ensembler_cls``.

TabArena must be installed. ``docs/sources.md`` shows a call.
"""

from typing import Any

import numpy as np
from tabarena.simulation.ensemble import WeightedEnsembler

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective
from evo_ensyth.pool import Pool
from evo_ensyth.selection.constraints import constraints_of
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

PROBLEMS = ("binary", "multiclass")
RULES = ("size_rule", "lowest_error")
ERROR = "metric_error"


class EvoEnsythEnsembler(WeightedEnsembler):  # type: ignore[misc]
    """The mean of a few models, found by a search for low error by TabArena's metric and few members.

    Parameters
    ----------
    problem_type : str
        ``binary`` or ``multiclass``.
    metric : Scorer
        Of AutoGluon.
    max_size : int
        Members of the ensemble, at most.
    recommend : str
        ``size_rule`` for the smallest ensemble with nearly all of the gain, or ``lowest_error``, both on the validation
        split.
    selector : str
        How to choose.
    budget : int
        Ensembles to be judged, at most.
    seed : int

    Raises
    ------
    InputError
        The problem is a regression, or there is no such rule.
    """

    def __init__(
        self,
        *,
        problem_type: str,
        metric: Any,
        max_size: int = 8,
        recommend: str = "size_rule",
        selector: str = "nsga2",
        budget: int = 2_000,
        seed: int = 1,
    ) -> None:
        super().__init__(problem_type=problem_type, metric=metric)
        if problem_type not in PROBLEMS:
            raise InputError(f"the problem is {problem_type}; this ensembler takes {' and '.join(PROBLEMS)}.")
        if recommend not in RULES:
            raise InputError(f"recommend is '{recommend}'; expected {' or '.join(RULES)}.")
        self.max_size, self.recommend = max_size, recommend
        self.selector, self.budget, self.seed = selector, budget, seed

    def _fit(self, *, predictions: np.ndarray, labels: np.ndarray, time_limit: float | None = None) -> None:
        predictions = np.asarray(predictions)

        def evaluate(ensembles: Ensembles) -> np.ndarray:
            # Not a product of matrices: its rounding depends on which ensembles share a batch.
            means = (predictions[subset].mean(axis=0) for subset in ensembles.subsets)
            return np.array([self._score_error(labels, mean) for mean in means])

        problem = Problem(self._pool(predictions, labels), [Objective(ERROR, evaluate), "n_members"], vote="soft")
        few = constraints_of({"n_members": self.max_size}, {}, problem.pool.members, ())
        found = run(
            problem.with_constraints(few),
            self.selector,
            baselines=(),
            budget=self.budget,
            seconds=time_limit,
            seed=self.seed,
            n_folds=0,
        )
        best = min(found.front, key=lambda ensemble: (ensemble.search[ERROR], ensemble.size))
        self.ensemble_ = found.recommended if self.recommend == "size_rule" else best
        self.weights_ = np.zeros(len(predictions))
        self.weights_[list(self.ensemble_.indices)] = 1 / self.ensemble_.size

    def info(self) -> dict[str, Any]:
        """Positions of the members, and the error of their mean on the validation split."""
        return {"members": list(self.ensemble_.indices), "error_val": self.ensemble_.search[ERROR]}

    def _pool(self, predictions: np.ndarray, labels: np.ndarray) -> Pool:
        """Pool of the models; its labels matter only to what the objective does not judge."""
        if hasattr(self.metric, "preprocess_bulk"):  # predictions are probabilities of the true class
            labels = np.ones(len(labels), np.int64)
        scores = predictions if predictions.ndim == 3 else predictions[..., None]
        classes = list(range(max(2, scores.shape[2])))
        return Pool.from_predictions(np.clip(scores, 0, 1), labels.astype(np.int64), classes=classes)
