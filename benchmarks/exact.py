"""Time of exact fronts: sizes up to 5, 8 and 10 of 36 members, and an estimate for all sizes.

    python benchmarks/exact.py                  sizes up to 5, 8 and 10, and an estimate for all 36
    python benchmarks/exact.py --all            all 68,719,476,735 subsets; resumes after an interruption
    python benchmarks/exact.py --file POOL.npz  the same for your own predictions

The drawn members err independently of each other, which is the hard case: a tree of members cuts little off, and the
proof enumerates. Of compressed copies of one network nearly everything is cut off.

Up to size 5 the front is first compared with brute force, which counts the errors of every subset.
"""

import os

os.environ.setdefault("NUMBA_NUM_THREADS", str(os.cpu_count()))  # before `votes`, which would leave it one

import itertools
import math
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from output import Output, Sheet, Value, arguments
from votes import draw_votes

from evo_ensyth.cli.progress import pool_progress
from evo_ensyth.engine import BitPlanes
from evo_ensyth.io import read_predictions
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.exact.proof import Proof, limits_of
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.scratch import Scratch
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2
from evo_ensyth.selection.selectors.exact.exact import Exact, in_words

BRUTE_FORCE = 5
COLUMNS = {
    "sizes up to": "", "subsets": ",", "counted": ".0%", "seconds": ",.2f", "ns per subset": ".1f", "proven sizes": "",
}  # fmt: skip
SCRATCH = Path(__file__).resolve().parents[1] / "runs" / "benchmark-exact"


def main() -> None:
    """Check against brute force, then print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--members", type=int, default=36)
    parser.add_argument("--samples", type=int, default=5_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--file", type=Path, help="predictions instead of a drawn pool")
    parser.add_argument("--max-sizes", type=int, nargs="*", default=[5, 8, 10])
    parser.add_argument("--all", action="store_true", help="all sizes, with a checkpoint under runs/")
    options = parser.parse_args()
    shape = options.members, options.samples, options.classes
    votes = read_predictions(options.file).search if options.file else draw_votes(*shape)
    problem = problem_of(votes)
    with Output(__doc__, options) as out:
        Exact(max_size=1).select(Evaluator(problem), np.random.default_rng(0))  # compiles
        check_against_brute_force(votes, problem)
        out.note(f"up to size {BRUTE_FORCE} the front is that of brute force")
        rows = [timed(problem, Exact(max_size=size)) for size in options.max_sizes if size <= votes.n_members]
        for how, by_tree in (("by a tree of members", True), ("by enumeration", False)):
            proof = proof_after_search(problem, Proof(votes, by_tree=by_tree))
            out.note(f"all sizes {how}: {in_words(proof.estimate())}")
        if options.all:
            with pool_progress(quiet=False) as show:
                scratch = Scratch(SCRATCH)
                rows.append(timed(problem, Exact(), scratch=scratch, on_message=partial(show, 0, 0)))
                scratch.clear()
        title = f"{votes.n_members} members, {votes.n_samples:,} samples, {votes.n_classes} classes"
        out.show(Sheet(title, COLUMNS, rows))


def problem_of(votes: Votes) -> Problem:
    """Error against size, without a test split."""
    pool = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    return Problem(Pool(pool, votes, name="exact"), Exact.objectives, vote=Exact.vote)


def check_against_brute_force(votes: Votes, problem: Problem) -> None:
    """Compare the fewest errors of each small size with those among all subsets of the size."""
    search = Evaluator(problem)
    Exact(max_size=BRUTE_FORCE).select(search, np.random.default_rng(0))
    errors = np.rint(search.archive.values[:, 0] * votes.n_samples).astype(np.int64)
    found = limits_of(search.archive.subsets, errors, votes.n_samples)
    planes, fewest = BitPlanes.of(votes), votes.n_samples + 1
    for size in range(1, BRUTE_FORCE + 1):
        combinations = itertools.combinations(range(votes.n_members), size)
        while block := list(itertools.islice(combinations, 20_000)):
            subsets = np.zeros((len(block), votes.n_members), bool)
            np.put_along_axis(subsets, np.array(block), True, axis=1)
            fewest = min(fewest, int(planes.errors(subsets).min()))
        if fewest != found[size]:
            sys.exit(f"at size {size} brute force finds {fewest} errors, and the exact search {found[size]}")


def timed(problem: Problem, selector: Exact, **settings) -> list[Value]:  # type: ignore[no-untyped-def]
    """One row of the table."""
    search = Evaluator(problem, **settings)
    start = time.perf_counter()
    selector.select(search, np.random.default_rng(0))
    seconds = time.perf_counter() - start
    n_members = len(problem.pool)
    n_subsets = sum(math.comb(n_members, size) for size in range(1, (selector.max_size or n_members) + 1))
    proven = f"{search.proven_sizes[0]} to {search.proven_sizes[-1]}"
    return [
        str(selector.max_size or n_members), n_subsets, search.budget.n_evaluations / n_subsets, seconds,
        seconds / n_subsets * 1e9, proven,
    ]  # fmt: skip


def proof_after_search(problem: Problem, proof: Proof) -> Proof:
    """Give the proof the bounds that an ordinary search finds, as an exact search soon would."""
    search = Evaluator(problem)
    NSGA2().select(search, np.random.default_rng(0))
    errors = np.rint(search.archive.values[:, 0] * problem.search.n_samples).astype(np.int64)
    proof.lower_limits(limits_of(search.archive.subsets, errors, problem.search.n_samples))
    return proof


if __name__ == "__main__":
    main()
