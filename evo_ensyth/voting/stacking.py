"""Stacking: the convex weights that bring the weighted mean closest to the true labels.

Wolpert, "Stacked generalization", Neural Networks 5, 1992; Breiman, "Stacked regressions", Machine Learning 24, 1996,
who found that weights must not be negative. The members are not trained on the search split, so weights may be fitted
to their predictions there.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.voting._simplex_program import SimplexProgram

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
    """Minimise the squared distance between the mean and the truth: int64, (n_members,)."""
    from scipy.sparse import csc_array  # imported where it is used, because it takes a fifth of a second

    n, answered = votes.n_members, votes.answered
    products = np.empty((n, n))
    for i in range(n):
        if scores is None:
            row = np.count_nonzero((votes.y_pred[: i + 1] == votes.y_pred[i]) & answered[i], axis=1)
        else:
            one = np.asarray(scores.members[i], np.float64)
            row = np.array([np.vdot(one, np.asarray(other, np.float64)) for other in scores.members[: i + 1]])
        products[i, : i + 1] = products[: i + 1, i] = row / votes.n_samples
    with_truth = _chances_of_truth(votes, scores).mean(axis=1)
    return _whole(SimplexProgram(n, csc_array(np.triu(2 * products)), -2 * with_truth).shares())


def _log_weights(chances: np.ndarray) -> np.ndarray:
    """Minimise the mean of -log(probability that the weighted mean gives to the truth): int64, (n_members,)."""
    from scipy.sparse import csc_array

    # Labels give few distinct columns, and the size of the program is their number.
    columns, counts = np.unique(chances[:, chances.any(axis=0)], axis=1, return_counts=True)
    n, n_columns = columns.shape
    if n_columns == 0:
        return np.ones(n, np.int64)
    # Besides the n shares, the variables are a logarithm for each column: (logarithm, 1, mean) in the exponential cone.
    each, size = np.arange(n_columns), n + n_columns
    entries = np.concatenate([-columns.ravel(), np.full(n_columns, -1.0)])
    at = np.concatenate([np.tile(3 * each + 2, n), 3 * each])
    begins = np.concatenate([np.arange(n) * n_columns, n * n_columns + np.arange(n_columns + 1)])
    rows = csc_array((entries, at, begins), (3 * n_columns, size))
    gain = np.concatenate([np.zeros(n), counts / counts.sum()])
    program = SimplexProgram(n, csc_array((size, size)), -gain, rows, np.tile([0.0, 1, 0], n_columns))
    return _whole(program.shares())


def _whole(shares: np.ndarray) -> np.ndarray:
    """Shares as whole numbers, the largest of which is `LARGEST`: int64, (n_members,)."""
    return np.asarray(np.rint(shares / shares.max() * LARGEST), np.int64)


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
