"""CMA-ES over the weights of a vote, which are rounded to whole votes.

In the style of Purucker, Beel, "CMA-ES for Post Hoc Ensembling in AutoML: A Great Success and Salvageable Failure",
AutoML 2023 (arXiv 2307.00286): its repaired variant, in which weights are those of a multiset. Hansen's library `cma`
performs the evolution. The paper adds probabilities; this selector counts votes.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.voters import Levels


@dataclass(frozen=True)
class CMAES:
    """Start from the best member, and evaluate the voters of the best multiset of every generation.

    Attributes
    ----------
    votes : int
        Number of votes that a multiset divides among members; members with less than half a vote get none. Also the
        number of best members that take part: with more, all could end up with less than half a vote. Without a budget
        or a time limit, this many evaluations are made for each of them.
    sigma : float
        Initial step size; the best member starts at 1, all others at 0.

    Notes
    -----
    The evolution minimises the errors of multisets; the front holds sets, see `Levels`. The softmax excludes few
    members of a small pool, so without levels nearly all multisets would be evaluated as the whole pool.

    The number of errors is piecewise constant, so the evolution often stalls. It is then restarted with other random
    numbers, as long as evaluations remain.

    `cma_es` computes with floats: unlike other fronts, its front may differ between processors or releases of the
    library, but not with the number of threads.
    """

    votes: int = setting(50, at_least=1)
    sigma: float = setting(0.2, above=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evolve weights until the evaluations are spent."""
        from threadpoolctl import threadpool_limits

        best_first = np.argsort(search.votes.member_errors, kind="stable")[: self.votes]
        best = np.zeros((1, len(search.pool)), bool)
        best[0, best_first[0]] = True
        search.evaluate(best)
        if len(best_first) == 1:
            return
        end = math.inf if search.budget.limited else search.budget.n_evaluations + self.votes * len(best_first)
        levels = Levels()
        # Eigenvectors depend on how BLAS divides the work among threads.
        with threadpool_limits(1, user_api="blas"):
            while search.budget.n_evaluations < end:
                self._evolve(search, best_first, end, levels, rng)

    def _evolve(
        self, search: Evaluator, members: np.ndarray, end: float, levels: Levels, rng: np.random.Generator
    ) -> None:
        """Run one evolution of the weights of some members, the best one first, until it stops."""
        from cma import CMAEvolutionStrategy  # imported here, because it takes a second

        # A seed would be passed to NumPy's global generator.
        options = {"randn": lambda *shape: rng.standard_normal(shape), "seed": math.nan, "verbose": -9}
        start = np.eye(1, len(members))[0]
        cloud = CMAEvolutionStrategy(start, self.sigma, options)
        while search.budget.n_evaluations < end and not cloud.stop():
            points = cloud.ask()
            multisets = np.zeros((len(points), len(search.pool)), np.int64)
            multisets[:, members] = shared_out(np.array(points), self.votes)
            errors = search.multiset_errors(multisets)
            cloud.tell(points, errors.tolist())
            levels.evaluate(search, multisets[[errors.argmin()]])


def shared_out(points: np.ndarray, votes: int) -> np.ndarray:
    """Divide votes by the softmax of real weights, and round: int64, (n_points, n_members).

    If there are no more members than votes, at least one member gets a vote.
    """
    powers = np.exp(points - points.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray(np.rint(shares * votes), np.int64)
