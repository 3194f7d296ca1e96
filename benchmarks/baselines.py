"""Time of greedy selection in a large pool: 1,000 members, 50,000 samples, 100 classes.

    python benchmarks/baselines.py [--members 1000 --samples 50000 --classes 100] [--threads 2]

First, on a small pool, the path of every greedy selector is compared with plain recomputation, and local search must
leave no neighbour that would improve its front.
"""

import os
import sys
import time
from collections.abc import Iterable

from output import Output, Sheet, Value, arguments

parser = arguments(__doc__)
parser.add_argument("--members", type=int, default=1_000)
parser.add_argument("--samples", type=int, default=50_000)
parser.add_argument("--classes", type=int, default=100)
parser.add_argument("--threads", type=int)
options = parser.parse_args()
if options.threads:
    os.environ["NUMBA_NUM_THREADS"] = str(options.threads)  # read when numba is imported

import numpy as np
from votes import draw_votes

from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection import selectors
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.greedy.caruana import Caruana

NAMES = ("backward_elimination", "caruana", "forward_greedy", "backward_wrapper", "local_search")
CARUANA_ROUNDS = Caruana().rounds


def problem_of(votes: Votes) -> Problem:
    """Error against size, without a test split."""
    pool = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    return Problem(Pool(pool, votes, name="large"))


def searched(problem: Problem, name: str) -> tuple[Evaluator, float]:
    """Run one selector to its end and time it."""
    search = Evaluator(problem)
    start = time.perf_counter()
    selectors.load(name).select(search, np.random.default_rng(1))
    return search, time.perf_counter() - start


def plurality_errors(votes: Votes, multiset: np.ndarray) -> int:
    """Count the slow way: a histogram for every sample. Entry i of the multiset is the number of votes of member i."""
    counts = (multiset[:, None, None] * (votes.y_pred[:, :, None] == np.arange(votes.n_classes))).sum(axis=0)
    return int(np.count_nonzero(counts.argmax(axis=1) != votes.y_true))


def path(votes: Votes, name: str) -> list[np.ndarray]:
    """Multisets on the way of a greedy selector, each step recomputed."""
    n = votes.n_members
    single = np.eye(n, dtype=int)
    if name == "backward_elimination":
        best_first = sorted(range(n), key=lambda member: plurality_errors(votes, single[member]))
        return [single[best_first[:size]].sum(axis=0) for size in range(1, n + 1)]
    backward = name == "backward_wrapper"
    multisets = [np.full(n, int(backward))]
    for _ in range({"forward_greedy": n, "backward_wrapper": n - 1, "caruana": CARUANA_ROUNDS}[name]):
        multiset = multisets[-1]
        # between equals, forward selections take the first member and backward selection the last
        movable = (
            np.flatnonzero(multiset)[::-1]
            if backward
            else np.flatnonzero(multiset == 0 if name != "caruana" else multiset >= 0)
        )
        after = [multiset - single[member] if backward else multiset + single[member] for member in movable]
        multisets.append(min(after, key=lambda multiset: plurality_errors(votes, multiset)))
    return [multiset for multiset in multisets if multiset.any()]


def check(votes: Votes) -> None:
    """Compare the greedy selectors with their recomputed paths, and find neighbours that local search missed."""
    for name in NAMES:
        search, _ = searched(problem_of(votes), name)
        found = fewest_errors(votes, search.archive.subsets)
        if name != "local_search":
            expected = fewest_errors(votes, [multiset > 0 for multiset in path(votes, name)])
        else:
            neighbours = [subset ^ flips for subset in search.archive.subsets for flips in one_and_two(subset)]
            expected = np.minimum(found, fewest_errors(votes, neighbours))
        if (found != expected).any():
            sys.exit(f"{name} does not find what recomputation finds")


def one_and_two(subset: np.ndarray) -> list[np.ndarray]:
    """Flips that add, drop or swap members and leave at least one."""
    single = np.eye(len(subset), dtype=bool)
    swaps = [single[i] | single[j] for i in np.flatnonzero(subset) for j in np.flatnonzero(~subset)]
    return [flips for flips in (*single, *swaps) if (subset ^ flips).any()]


def fewest_errors(votes: Votes, subsets: Iterable[np.ndarray]) -> np.ndarray:
    """Fewest errors of these subsets up to every size, (n_members,); more than all samples if there is none."""
    fewest = np.full(votes.n_members, votes.n_samples + 1)
    for subset in subsets:
        size = np.count_nonzero(subset)
        fewest[size - 1] = min(fewest[size - 1], plurality_errors(votes, subset.astype(int)))
    return np.minimum.accumulate(fewest)


def main() -> None:
    """Check, then print one table."""
    check(draw_votes(20, 300, 5))
    votes = draw_votes(options.members, options.samples, options.classes)
    problem = problem_of(votes)
    problem.on_search(np.ones((1, votes.n_members), bool)).errors  # noqa: B018 - lays out the planes
    rows: list[list[Value]] = []
    with Output(__doc__, options) as out:
        for name in NAMES:
            search, seconds = searched(problem, name)
            rows.append([name, seconds, search.budget.n_evaluations, 100 * float(search.archive.values[:, 0].min())])
        title = f"{votes.n_members:,} members, {votes.n_samples:,} samples, {votes.n_classes} classes"
        columns = {"selector": "", "seconds": ".2f", "ensembles looked at": ",", "lowest error, %": ".4f"}
        out.show(Sheet(title, columns, rows))


if __name__ == "__main__":
    main()
