"""Time of one generation, votes included: our NSGA-II and pymoo's on the same vote kernel.

    python benchmarks/generation.py [--samples 5000]

Both start from the same subsets and judge error and size on one thread. pymoo runs with its defaults: two-point
crossover and bit flip, its duplicate elimination, its survival. Ours does what a search does: breeding, the evaluator
with its archive and history, survival. Before a time is printed, both must count the errors of a matrix product.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from output import Output, Sheet, Value, arguments
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.sampling.rnd import BinaryRandomSampling
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.evolutionary._array_nsga2 import ArrayNSGA2
from evo_ensyth.selection.selectors.evolutionary._loop import first_generation

CASES = ((36, 100), (36, 400), (1_000, 100), (1_000, 400))
GENERATIONS = 30
REPEATS = 3
GOALS = ("error", "n_members")


@dataclass
class Clock:
    """Seconds per generation, and the part of them spent on counting votes."""

    generations: list[float]
    votes: float = 0.0

    def count(self, problem: Problem, subsets: np.ndarray) -> np.ndarray:
        """Count errors, and the time it takes."""
        started = time.perf_counter()
        errors = problem.on_search(subsets).errors
        self.votes += time.perf_counter() - started
        return errors


def drawn_problem(votes: Votes) -> Problem:
    """Error and size on a pool of drawn votes."""
    members = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    return Problem(Pool(members, votes, name="drawn"), GOALS)


class StockProblem(PymooProblem):  # type: ignore[misc]
    """Error and size as a pymoo problem: a whole generation at once, by any function that counts errors."""

    def __init__(self, n_members: int, n_samples: int, count: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(n_var=n_members, n_obj=2, xl=0, xu=1, vtype=bool)
        self._n_samples, self._count = n_samples, count

    def _evaluate(self, x: np.ndarray, out: dict[str, np.ndarray], *args: object, **kwargs: object) -> None:
        subsets = np.ascontiguousarray(x.astype(bool))
        empty = ~subsets.any(axis=1)
        errors = np.full(len(subsets), self._n_samples)
        if not empty.all():
            errors[~empty] = self._count(subsets[~empty])
        out["F"] = np.column_stack([errors / self._n_samples, subsets.sum(axis=1)])


def stock_nsga2(problem: PymooProblem, start: np.ndarray | None, population: int, seed: int) -> NSGA2:
    """Set up pymoo's NSGA-II for bits, with its own parts only."""
    sampling = BinaryRandomSampling() if start is None else start
    crossover, mutation = TwoPointCrossover(), BitflipMutation()
    algorithm = NSGA2(pop_size=population, sampling=sampling, crossover=crossover, mutation=mutation)
    algorithm.setup(problem, termination=NoTermination(), seed=seed, verbose=False)
    return algorithm


def run_stock(problem: Problem, start: np.ndarray, seed: int) -> Clock:
    """Time pymoo's generations."""
    clock = Clock([])
    n_members, n_samples = problem.search.n_members, problem.search.n_samples
    asked = StockProblem(n_members, n_samples, lambda subsets: clock.count(problem, subsets))
    algorithm = stock_nsga2(asked, start, len(start), seed)
    algorithm.next()
    clock.votes = 0.0
    for _ in range(GENERATIONS):
        started = time.perf_counter()
        algorithm.next()
        clock.generations.append(time.perf_counter() - started)
    return clock


def run_ours(problem: Problem, start: np.ndarray, seed: int) -> Clock:
    """Time our generations."""
    clock = Clock([])
    search = Evaluator(problem)
    evolution = ArrayNSGA2(start, search.evaluate(start), crossover=0.9, seed=seed)
    judged = []
    steps = evolution.generations()
    for _ in range(GENERATIONS):
        started = time.perf_counter()
        children = next(steps)
        evolution.tell(search.evaluate(children))
        clock.generations.append(time.perf_counter() - started)
        judged.append(children)
    for children in judged:
        clock.count(problem, children)  # again, because the evaluator does not keep it
    return clock


def check(problem: Problem, subsets: np.ndarray) -> None:
    """Stop if either of the two would get wrong errors."""
    votes = problem.search
    expected = matrix_product(votes, one_hot(votes), subsets)
    stock: dict[str, np.ndarray] = {}
    StockProblem(votes.n_members, votes.n_samples, lambda some: problem.on_search(some).errors)._evaluate(
        subsets, stock
    )
    for name, values in (("pymoo", stock["F"]), ("evaluator", Evaluator(problem).evaluate(subsets).values)):
        if not np.array_equal(np.rint(values[:, 0] * votes.n_samples), expected):
            sys.exit(f"{name} gets other errors than the matrix product counts")


def main() -> None:
    """Print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--samples", type=int, default=5_000)
    options = parser.parse_args()
    rows: list[list[Value]] = []
    with Output(__doc__, options) as out:
        for n_members, population in CASES:
            problem = drawn_problem(draw_votes(n_members, options.samples, 10))
            start = first_generation(Evaluator(problem), population, np.random.default_rng(0))
            check(problem, start[:32])
            run_ours(problem, start, 0)  # compiles
            best = {}
            for repeat in range(REPEATS):
                for name, run in (("pymoo", run_stock), ("ours", run_ours)):
                    clock = run(problem, start, repeat)
                    found = (sum(clock.generations) / GENERATIONS * 1e3, clock.votes / GENERATIONS * 1e3)
                    best[name] = min(best.get(name, found), found)
            (theirs, their_votes), (ours, our_votes) = best["pymoo"], best["ours"]
            without = (theirs - their_votes) / (ours - our_votes)
            rows.append([n_members, population, theirs, their_votes, ours, our_votes, theirs / ours, without])
        columns = {
            "members": ",",
            "population": "",
            "pymoo": ".2f",
            "its votes": ".2f",
            "ours": ".2f",
            "our votes": ".2f",
            "ratio": ".1f",
            "without votes": ".1f",
        }
        title = f"ms per generation, best of {REPEATS} runs of {GENERATIONS}; {options.samples:,} samples"
        out.show(Sheet(title, columns, rows))


if __name__ == "__main__":
    main()
