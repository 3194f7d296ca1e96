"""Time until a search has a good front, and the fronts that all selectors reach.

::

    python benchmarks/fronts.py                        time to the best known front, and a comparison with the
                                                       baselines size by size
    python benchmarks/fronts.py --large --seconds 20   1,000 members, 50,000 samples, 100 classes: every selector
                                                       for the same number of seconds

In the first table, pymoo's stock NSGA-II counts by a one-hot matrix product, as a careful user would write it. A
search has *reached* the front when its hypervolume is within the share `--within` of the best that any search of this
run has found. pymoo is stopped if it has not reached the front after `--times` as long as nsga2 took. Its hypervolume
counts all subsets that it judged, like ours. Everything runs on one thread and is timed in CPU seconds, so that other
programs matter little. Before a time is printed, our errors must be those that the matrix product counts.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np
from generation import StockProblem, drawn_problem, stock_nsga2
from output import Output, Sheet, Value, arguments
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth.errors import InputError
from evo_ensyth.results.front import Milestone
from evo_ensyth.selection import selectors
from evo_ensyth.selection.archive import Archive
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem

POOLS = ((36, 5_000, 10), (200, 10_000, 10))
LARGE = (1_000, 50_000, 100)
BASELINES = ("single_best", "whole_pool", "backward_elimination", "backward_wrapper", "forward_greedy")

History = list[tuple[float, float]]  # seconds, hypervolume


def search(problem: Problem, name: str, *, seconds: float | None = None, seed: int = 1) -> Evaluator:
    """Search with one selector."""
    problem.reference  # noqa: B018 - computed now, outside the timed part
    evaluator = Evaluator(problem, Budget(seconds=seconds))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(evaluator, np.random.default_rng(seed))
    evaluator.budget.close()
    return evaluator


def history_of_ours(pool: tuple[int, int, int], seconds: float, seed: int) -> History:
    """Let nsga2 search for a number of CPU seconds."""
    problem = drawn_problem(draw_votes(*pool))
    problem.reference  # noqa: B018 - computed now, outside the timed part
    search(problem, "nsga2", seconds=0.5)  # compiles
    history: History = []

    def note(milestone: Milestone) -> None:
        spent = time.process_time() - started
        history.append((spent, milestone.hypervolume))
        if spent >= seconds:
            evaluator.budget.stop()

    # With a limit that is never reached, it runs until it is stopped.
    evaluator = Evaluator(problem, Budget(seconds=math.inf), on_milestone=note)
    started = time.process_time()
    with contextlib.suppress(SearchOver):
        selectors.load("nsga2").select(evaluator, np.random.default_rng(seed))
    check(problem, evaluator.archive)
    return history


def check(problem: Problem, archive: Archive) -> None:
    """Compare the errors of an archive with those that the matrix product counts."""
    votes = problem.search
    expected = matrix_product(votes, one_hot(votes), archive.subsets)
    if (np.rint(archive.values[:, 0] * votes.n_samples) != expected).any():
        sys.exit("nsga2 and the matrix product do not count the same errors")


def stock_pymoo(pool: tuple[int, int, int], seconds: float, goal: float, seed: int) -> History:
    """Let pymoo search with the matrix product, from its own random start, until it reaches a hypervolume."""
    problem = drawn_problem(draw_votes(*pool))
    votes = problem.search
    table = one_hot(votes)
    asked = StockProblem(votes.n_members, votes.n_samples, lambda subsets: matrix_product(votes, table, subsets))
    archive = Archive(votes.n_members, problem.reference)
    history: History = [(0.0, 0.0)]
    spent = 0.0
    algorithm = stock_nsga2(asked, None, 100, seed)
    while spent < seconds and history[-1][1] < goal:
        started = time.process_time()
        children = algorithm.ask()
        if children is None:
            break
        algorithm.evaluator.eval(asked, children)
        algorithm.tell(infills=children)
        spent += time.process_time() - started  # what follows is our bookkeeping and is not timed
        subsets, values = children.get("X").astype(bool), children.get("F")
        archive.add(subsets[subsets.any(axis=1)], values[subsets.any(axis=1)])
        history.append((spent, archive.hypervolume))
    return history


def time_to(history: History, goal: float) -> float:
    """Seconds until a hypervolume was reached; infinity if it never was."""
    return next((seconds for seconds, volume in history if volume >= goal), float("inf"))


def compare_times(out: Output, options: argparse.Namespace) -> None:
    """Print how soon nsga2 and pymoo come close to the best known front, and the gap that remains."""
    longest, within, times = options.longest, options.within, options.times
    rows: list[list[Value]] = []
    each = range(1, options.seeds + 1)
    for pool in (pool for pool in POOLS if pool[0] in options.pools):
        n_members, n_samples, n_classes = pool
        with ProcessPoolExecutor(options.jobs) as workers:
            ours = list(workers.map(history_of_ours, repeat(pool), repeat(longest), each))
            goal = max(history[-1][1] for history in ours) * (1 - within)
            took = [time_to(mine, goal) for mine in ours]
            patience = [max(options.stock_seconds, times * t if math.isfinite(t) else 0.0) for t in took]
            theirs = list(workers.map(stock_pymoo, repeat(pool), patience, repeat(goal), each))
        best = max(history[-1][1] for history in (*ours, *theirs))
        for seed, (mine, stock) in enumerate(zip(ours, theirs, strict=True), 1):
            our_time, their_time = (time_to(history, best * (1 - within)) for history in (mine, stock))
            ratio = min(their_time, stock[-1][0]) / our_time
            rows.append(
                [
                    f"{n_members} x {n_samples:,} x {n_classes}",
                    seed,
                    *(seconds if math.isfinite(seconds) else "never" for seconds in (our_time, their_time)),
                    f"{'' if math.isfinite(their_time) else '> '}{ratio:.0f}" if ratio else None,
                    *(1 - volume_after(mine, seconds) / best for seconds in (1, 10, longest)),
                    stock[-1][0],
                    1 - stock[-1][1] / best,
                    time_to(mine, stock[-1][1]),
                ]
            )
    columns = {
        "pool": "",
        "seed": "",
        f"to {within:g}": ".2f",
        "pymoo": ".2f",
        "ratio": "",
        "gap after 1 s": ".1e",
        "10 s": ".1e",
        "at the end": ".1e",
        "pymoo for": ".0f",
        "pymoo's gap": ".1e",
        "nsga2 reached it after": ".3f",
    }
    title = f"seconds to the best hypervolume known; nsga2 for {longest:g} s, pymoo for {times:g} times what it took"
    out.show(Sheet(title, columns, rows))


def volume_after(history: History, seconds: float) -> float:
    """Hypervolume after a number of seconds."""
    return max((volume for spent, volume in history if spent <= seconds), default=0.0)


def compare_sizes(out: Output) -> None:
    """Print how many sizes nsga2 wins and loses against each baseline, and by how much."""
    rows: list[list[Value]] = []
    for n_members, n_samples, n_classes in POOLS:
        problem = drawn_problem(draw_votes(n_members, n_samples, n_classes))
        mine = _best_up_to(search(problem, "nsga2"), n_members)
        for name in BASELINES:
            theirs = _best_up_to(search(problem, name), n_members)
            gain = (theirs - mine)[np.isfinite(theirs)]
            counts = [len(gain), *(int(np.count_nonzero(test(gain))) for test in _SIGNS)]
            rows.append([f"{n_members} x {n_samples:,}", name, *counts, float(gain.max())])
    columns = {
        "pool": "", "baseline": "<", "sizes": "", "nsga2 better": "", "equal": "", "worse": "",
        "largest gain in error": ".2%",
    }  # fmt: skip
    out.show(Sheet("error at every size: nsga2 against the baselines (best of any size up to k)", columns, rows))


_SIGNS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (lambda x: x > 0, lambda x: x == 0, lambda x: x < 0)


def _best_up_to(found: Evaluator, n_members: int) -> np.ndarray:
    """Lowest error of any size up to k, for k = 1, 2, ...; infinity where no ensemble so small was judged."""
    best = np.full(n_members, np.inf)
    sizes = np.count_nonzero(found.archive.subsets, axis=1)
    np.minimum.at(best, sizes - 1, found.archive.values[:, 0])
    return np.minimum.accumulate(best)


def compare_selectors(out: Output, seconds: float, names: list[str]) -> None:
    """Print the hypervolume of every selector after equal seconds on the large pool."""
    n_members, n_samples, n_classes = LARGE
    problem = drawn_problem(draw_votes(n_members, n_samples, n_classes))
    warm = drawn_problem(draw_votes(40, 200, 10))
    rows: list[list[Value]] = []
    for name in names:
        search(warm, name, seconds=0.2)  # compiles and imports
        try:
            found = search(problem, name, seconds=seconds)
        except InputError as refusal:
            out.note(f"{name}: {refusal}")
            continue
        after_one = max((m.hypervolume for m in found.archive.history if m.seconds <= 1), default=0.0)
        lowest = float(found.archive.values[:, 0].min())
        spent = found.budget.n_evaluations, found.budget.elapsed
        rows.append([name, found.archive.hypervolume, after_one, lowest, len(found.archive), *spent])
    columns = {
        "selector": "", "hypervolume": ".4f", "after 1 s": ".4f", "lowest error": ".4%", "front": "", "judged": ",",
        "seconds": ".1f",
    }  # fmt: skip
    title = f"{n_members:,} members, {n_samples:,} samples, {n_classes} classes: {seconds:g} s each"
    out.show(Sheet(title, columns, sorted(rows, key=lambda row: -float(row[1] or 0))))


def main() -> None:
    """Print machine and versions, then the tables asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--large", action="store_true", help="every selector on the large pool instead")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each selector on the large pool")
    parser.add_argument("--selectors", nargs="+", default=list(selectors.names()))
    sizes = [pool[0] for pool in POOLS]
    parser.add_argument("--pools", type=int, nargs="+", choices=sizes, default=sizes, help="by their members")
    parser.add_argument("--within", type=float, default=1e-4, help="gap at which a front counts as reached")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of the longest search")
    parser.add_argument("--times", type=float, default=31.0, help="pymoo gets so many times what nsga2 took")
    parser.add_argument("--stock-seconds", type=float, default=30.0, help="pymoo gets at least these")
    parser.add_argument("--jobs", type=int, default=1, help="searches side by side")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    with Output(__doc__, options) as out:
        if options.large:
            compare_selectors(out, options.seconds, options.selectors)
        else:
            compare_times(out, options)
            compare_sizes(out)


if __name__ == "__main__":
    main()
