"""CMA-ES over the weights of a vote: a cloud of real weights that moves to where the vote errs less.

Purucker, Beel, "CMA-ES for Post Hoc Ensembling in AutoML: A Great Success and Salvageable Failure", AutoML 2023 (arXiv
2307.00286), in the style of its repaired variant, in which weights are those of a bag; Hansen's library `cma` does the
evolution. Theirs adds up probabilities; this one counts votes.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.selectors._bags import Levels


@dataclass(frozen=True)
class CmaEs:
    """Start at the best member, and judge the voters of the best bag of every generation.

    Attributes
    ----------
    votes : int
        Votes that a bag shares out among members; members with less than half a vote are out. Without a budget or a
        time limit, so many evaluations are made for each member of the pool.
    sigma : float
        Width of the first cloud; the best member starts at 1, all others at 0.

    Notes
    -----
    The evolution goes by the errors of bags; what enters the front are sets, see `Levels`. The softmax spares few
    members of a small pool, so without levels nearly all bags would be judged as the whole pool.

    The number of wrong samples is a staircase on which the evolution often comes to rest. Then it begins anew, with
    other random numbers, as long as evaluations are left. Where the pool is so large that everybody's share is less
    than half a vote, the member with the largest weight votes alone.

    The cloud is a matter of floats: unlike other fronts, this one may differ between processors, or with another
    release of the library; not with the number of threads.
    """

    votes: int = 50
    sigma: float = 0.2

    def __post_init__(self) -> None:
        if self.votes < 1 or not 0 < self.sigma < math.inf:
            raise InputError(f"{self} has a setting out of range: votes >= 1, sigma > 0.")

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evolve weights until the evaluations are spent."""
        from threadpoolctl import threadpool_limits

        start = np.zeros(len(search.pool))
        start[search.votes.member_errors.argmin()] = 1
        search.evaluate(start[None] > 0)
        if len(start) == 1:
            return
        end = math.inf if search.limited else search.spent + self.votes * len(start)
        levels = Levels()
        # Eigenvectors depend on how BLAS shares them out among its threads.
        with threadpool_limits(1, user_api="blas"):
            while search.spent < end:
                self._evolve(search, start, end, levels, rng)

    def _evolve(
        self, search: Evaluator, start: np.ndarray, end: float, levels: Levels, rng: np.random.Generator
    ) -> None:
        """Move one cloud until it rests."""
        from cma import CMAEvolutionStrategy  # imported here, because it takes a second

        # A seed would be handed to numpy's global generator.
        options = {"randn": lambda *shape: rng.standard_normal(shape), "seed": math.nan, "verbose": -9}
        cloud = CMAEvolutionStrategy(start, self.sigma, options)
        while search.spent < end and not cloud.stop():
            points = cloud.ask()
            bags = bags_of(np.array(points), self.votes)
            errors = search.bag_errors(bags)
            cloud.tell(points, errors.tolist())
            levels.judge(search, bags[[errors.argmin()]])


def bags_of(points: np.ndarray, votes: int) -> np.ndarray:
    """Share out votes by the softmax of real weights, rounded: int64, (n_points, n_members); no bag is empty."""
    powers = np.exp(points - points.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    bags: np.ndarray = np.rint(shares * votes).astype(np.int64)
    empty = ~bags.any(axis=1)
    bags[empty, points[empty].argmax(axis=1)] = 1
    return bags
