"""Stacking: the convex weights that bring the weighted mean closest to the true labels.

Wolpert, "Stacked generalization", Neural Networks 5, 1992; Breiman, "Stacked regressions", Machine Learning 24, 1996,
who found that weights must not be negative. The members are not trained on the search split, so weights may be fitted
to their predictions there.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError, build_extra
from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Scores, Votes

# Weights are integers up to this one: finer than samples can resolve, coarser than a solver's tolerance.
LARGEST = 1024
# How far a member's probabilities may be from a sum of 1; float16 needs some of it.
SLACK = 0.01


@dataclass(frozen=True)
class Stacking:
    """Finds the point of the simplex that minimises a loss of the weighted mean, by convex programming.

    Attributes
    ----------
    adds : str
        ``scores``, which must be probabilities, or ``labels``, treated as probabilities of 0 and 1.
    loss : str
        ``brier`` or ``log``. The log loss leaves out samples on which no member gives the true class a positive
        probability, because no weights could help there.
    """

    adds: str = setting("labels", one_of=("labels", "scores"))
    loss: str = setting("brier", one_of=("brier", "log"))

    def __post_init__(self) -> None:
        check_settings(self)

    def weights(self, votes: Votes) -> np.ndarray:
        """Solve the program; members that it does not need get weight 0."""
        scores = votes.scores if self.adds == "scores" else None
        if scores is not None:
            _check_probabilities(scores, votes.answered)
        if self.loss == "log":
            return _log_weights(_chances_of_truth(votes, scores))
        return _brier_weights(votes, scores)


def _brier_weights(votes: Votes, scores: Scores | None) -> np.ndarray:
    """Minimise the squared distance between the mean and the truth: (n_members,)."""
    with build_extra():
        import cvxpy  # imported here and in `_log_weights`, because it takes a second

    n, answered = votes.n_members, votes.answered
    products = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            if scores is None:
                product = float(np.count_nonzero((votes.y_pred[i] == votes.y_pred[j]) & answered[i]))
            else:
                one, other = (np.asarray(scores.members[member], np.float64) for member in (i, j))
                product = float(np.vdot(one, other))
            products[i, j] = products[j, i] = product / votes.n_samples
    with_truth = _chances_of_truth(votes, scores).mean(axis=1)
    shares = cvxpy.Variable(n, nonneg=True)
    distance = cvxpy.quad_form(shares, cvxpy.psd_wrap(products)) - 2 * with_truth @ shares
    return _solved(cvxpy.Problem(cvxpy.Minimize(distance), [cvxpy.sum(shares) == 1]), shares)


def _log_weights(chances: np.ndarray) -> np.ndarray:
    """Minimise the mean of -log(probability that the weighted mean gives to the truth): (n_members,)."""
    with build_extra():
        import cvxpy

    # Labels give few distinct columns, and the size of the program is their number.
    columns, counts = np.unique(chances[:, chances.any(axis=0)], axis=1, return_counts=True)
    if columns.shape[1] == 0:
        return np.ones(len(chances), np.int64)
    shares = cvxpy.Variable(len(chances), nonneg=True)
    gain = (counts / counts.sum()) @ cvxpy.log(columns.T @ shares)
    return _solved(cvxpy.Problem(cvxpy.Maximize(gain), [cvxpy.sum(shares) == 1]), shares)


def _solved(problem: Any, shares: Any) -> np.ndarray:
    """Solve a program and round its solution to integers: int64, (n_members,)."""
    from cvxpy.error import SolverError

    with warnings.catch_warnings():
        # Issued when the solver stops just short of its tolerance, which is far finer than the rounding below.
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        try:
            problem.solve(solver="CLARABEL")
        except SolverError:
            # CLARABEL sometimes fails if the optimum is at a corner; SCS is slower and less exact.
            problem.solve(solver="SCS")
    found = np.maximum(np.asarray(shares.value, np.float64), 0)
    return np.asarray(np.rint(found / found.max() * LARGEST), np.int64)


def _chances_of_truth(votes: Votes, scores: Scores | None) -> np.ndarray:
    """Probability that each member gives to the truth: float64, (n_members, n_samples)."""
    if scores is None:
        return np.asarray(votes.y_pred == votes.y_true, np.float64)
    samples = np.arange(votes.n_samples)
    return np.array([member[samples, votes.y_true] for member in scores.members], np.float64)


def _check_probabilities(scores: Scores, answered: np.ndarray) -> None:
    for i, member in enumerate(scores.members):
        sums = np.where(answered[i], np.asarray(member).sum(axis=1, dtype=np.float64), 1.0)
        if abs(sums - 1).max() > SLACK:
            wrong = int(abs(sums - 1).argmax())
            raise InputError(
                f"{scores.split} scores of member {i} add up to {sums[wrong]:g} for sample {wrong}; stacking needs "
                "probabilities, which add up to 1."
            )
