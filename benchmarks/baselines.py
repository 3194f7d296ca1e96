"""How long greedy selection takes in a large pool: 1,000 members, 50,000 samples, 100 classes.

    python benchmarks/baselines.py [--members 1000 --samples 50000 --classes 100] [--threads 2]

First, on a small pool, every selector must take the path that plain recomputation takes.
"""

import argparse
import os
import sys
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--members", type=int, default=1_000)
parser.add_argument("--samples", type=int, default=50_000)
parser.add_argument("--classes", type=int, default=100)
parser.add_argument("--threads", type=int)
options = parser.parse_args()
if options.threads:
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)  # read when numba is imported

import numpy as np
from rich.console import Console
from rich.table import Table
from votes import draw_votes

from evo_ensyth import objectives
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.search import selectors
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.problem import Problem
from evo_ensyth.voting.planes import threads

NAMES = ("backward_elimination", "caruana", "forward_greedy", "backward_wrapper", "local_search")


def posed(votes: Votes) -> Problem:
    """Error against size, without a test split."""
    pool = Pool(tuple(f"m{i}" for i in range(votes.n_members)))
    return Problem("large", pool, votes, None, tuple(objectives.find(name, pool) for name in ("error", "n_members")))


def searched(problem: Problem, name: str) -> tuple[Evaluator, float]:
    """Run one selector to its end, and time it."""
    search = Evaluator(problem)
    start = time.perf_counter()
    selectors.load(name).select(search, np.random.default_rng(1))
    return search, time.perf_counter() - start


def plurality_errors(votes: Votes, subset: np.ndarray) -> int:
    """Count the slow way: a histogram for every sample."""
    counts = (votes.labels[subset][:, :, None] == np.arange(votes.n_classes)).sum(axis=0)
    return int(np.count_nonzero(counts.argmax(axis=1) != votes.truth))


def check(votes: Votes) -> None:
    """Compare both wrappers with steps that are recomputed."""
    n = votes.n_members
    for name, subset in (("forward_greedy", np.zeros(n, bool)), ("backward_wrapper", np.ones(n, bool))):
        fewest = {}
        while True:
            if subset.any():
                fewest[int(subset.sum())] = plurality_errors(votes, subset)
            movable = np.flatnonzero(subset if name == "backward_wrapper" else ~subset)
            if len(movable) == 0 or (name == "backward_wrapper" and len(movable) == 1):
                break
            after = []
            for member in movable:
                other = subset.copy()
                other[member] ^= True
                after.append(plurality_errors(votes, other))
            # of equals forward takes the first, and backward the last
            order = range(len(movable)) if name == "forward_greedy" else reversed(range(len(movable)))
            subset[movable[min(order, key=after.__getitem__)]] ^= True
        search, _ = searched(posed(votes), name)
        for values in search.front.values:
            if round(values[0] * votes.n_samples) != fewest[int(values[1])]:
                sys.exit(f"{name} finds other errors at size {int(values[1])} than recomputation")


def main() -> None:
    """Check, then print one table."""
    check(draw_votes(12, 300, 5))
    votes = draw_votes(options.members, options.samples, options.classes)
    problem = posed(votes)
    problem.on_search(np.ones((1, votes.n_members), bool)).errors  # noqa: B018 - lays out the planes
    table = Table(
        title=f"{votes.n_members:,} members, {votes.n_samples:,} samples, {votes.n_classes} classes; "
        f"{threads()} thread(s)"
    )
    for column in ("selector", "seconds", "ensembles looked at", "lowest error"):
        table.add_column(column, justify="left" if column == "selector" else "right")
    for name in NAMES:
        search, seconds = searched(problem, name)
        table.add_row(name, f"{seconds:.2f}", f"{search.spent:,}", f"{search.front.values[:, 0].min():.4%}")
    Console().print(table)


if __name__ == "__main__":
    main()
