"""Every selector by name on one pool: what its recommended ensemble is worth on samples that it has not seen.

::

    python benchmarks/every_selector.py                              the pool of digits if it is made, else a drawn one
    python benchmarks/every_selector.py --pool votes.npz             predictions, a pool folder, or a problem
    python benchmarks/every_selector.py --selectors drep k_medoids   these only

A drawn pool, and a file that does not come split, are halved. First, on 10 of the members, nobody may find fewer errors
at any size than the enumeration of all 1,023 ensembles, counted by a matrix product. Recommended is the smallest
ensemble within one standard error of the best on the search split. One draw of one pool says little about which
selector is best.
"""

import argparse
import contextlib
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from generation import GOALS, drawn_problem, machine
from rich.console import Console
from rich.table import Table
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth import objectives
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.posing import make_pool, pose
from evo_ensyth.search import selectors
from evo_ensyth.search.evaluator import Evaluator, SearchOver
from evo_ensyth.search.problem import Problem
from evo_ensyth.search.statistics import interval, smallest_within_one_standard_error

DRAWN = (36, 10_000, 10)
ENUMERATED = 10
# In a larger pool `exact` is at work on its estimate for too long, where nothing can stop it.
MOST_FOR_EXACT = 36
DIGITS = Path("runs/digits/pool/pool.json")


@dataclass(frozen=True)
class Row:
    """What one selector recommends, and what that took."""

    selector: str
    test_errors: int
    size: int
    lowest_search_error: float
    evaluations: int
    seconds: float
    stopped: bool

    def cells(self, n_test: int) -> list[str]:
        """One line of the table."""
        low, high = interval(self.test_errors, n_test)
        return [
            self.selector,
            f"{self.test_errors / n_test:.2%}",
            f"{low:.2%} - {high:.2%}",
            str(self.size),
            f"{self.lowest_search_error:.2%}",
            f"{self.evaluations:,}",
            f"{self.seconds:.2f}{'*' if self.stopped else ''}",
        ]


def searched(problem: Problem, name: str, seconds: float) -> tuple[Evaluator, bool]:
    """Search with one selector until it ends by itself; or not: then it is stopped, and that is said."""
    problem.reference  # noqa: B018 - worked out now, so that it costs no selector its time
    evaluator = Evaluator(problem)  # with a time limit some selectors would go on for all of it
    timer = threading.Timer(seconds, evaluator.stop)
    timer.start()
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(evaluator, np.random.default_rng(1))
    timer.cancel()
    evaluator.close()
    return evaluator, evaluator.stopped


def check(problem: Problem, names: list[str], seconds: float) -> None:
    """Nobody beats the enumeration of a small pool. This also compiles and imports what they need."""
    few = replace(problem.search, labels=problem.search.labels[:ENUMERATED])
    codes = np.arange(1, 2**few.n_members)
    everything = (codes[:, None] >> np.arange(few.n_members) & 1).astype(bool)
    errors = matrix_product(few, one_hot(few), everything)
    sizes = np.count_nonzero(everything, axis=1)
    fewest = np.array([errors[sizes == size].min() for size in range(1, few.n_members + 1)])
    for name in names:
        front = searched(drawn_problem(few), name, seconds)[0].front
        found = np.rint(front.values[:, 0] * few.n_samples).astype(np.int64)
        beaten = found < fewest[np.count_nonzero(front.subsets, axis=1) - 1]
        if beaten.any():
            sys.exit(f"{name} claims {found[beaten]} errors, fewer than any ensemble of these sizes makes.")


def recommended(problem: Problem, name: str, seconds: float) -> Row:
    """Search with one selector, and judge what it recommends on the test split."""
    found, stopped = searched(problem, name, seconds)
    errors = np.rint(found.front.values[:, 0] * problem.search.n_samples).astype(np.int64)
    sizes = np.count_nonzero(found.front.subsets, axis=1)
    chosen = smallest_within_one_standard_error(errors, sizes, problem.search.n_samples)
    on_test = problem.on_test(found.front.subsets[[chosen]])
    assert on_test is not None
    lowest = float(found.front.values[:, 0].min())
    return Row(name, int(on_test.errors[0]), int(sizes[chosen]), lowest, found.spent, found.elapsed, stopped)


def posed(target: str | None) -> Problem:
    """Find the pool that is asked for, by error and size."""
    if target is None and not DIGITS.exists():
        votes = draw_votes(*DRAWN)
        half = votes.n_samples // 2
        search, test = (
            Votes(votes.labels[:, part], votes.truth[part], votes.n_classes, split)
            for part, split in ((slice(half), "search"), (slice(half, None), "test"))
        )
        return replace(drawn_problem(search), test=test)
    make = partial(make_pool, progress=lambda done, total, text: print(text, file=sys.stderr))
    problem = pose(target, make=make, test_share=0.5, split_seed=0).problem
    if problem.test is None:
        sys.exit(f"{target} has no test split; recommended ensembles are judged on one.")
    return problem.with_objectives(tuple(objectives.find(goal, problem.pool) for goal in GOALS))


def main() -> None:
    """Check on ten members, then print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", metavar="TARGET", help="as for `python -m evo_ensyth search`")
    parser.add_argument("--selectors", nargs="+", metavar="NAME", help="by default all")
    parser.add_argument("--seconds", type=float, default=30.0, help="stop a selector that has not ended by then")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(machine(), soft_wrap=True)
    problem = posed(options.pool)
    assert problem.test is not None
    names = options.selectors or list(selectors.names())
    check(problem, names, options.seconds)
    console.print(f"{min(ENUMERATED, len(problem.pool))} members: nobody beats the enumeration.", highlight=False)
    if not options.selectors and len(problem.pool) > MOST_FOR_EXACT:
        names.remove("exact")
    rows = [recommended(problem, name, options.seconds) for name in names]
    title = f"{problem.name}: {len(problem.pool)} members, {problem.search.n_samples:,} samples to search on, "
    table = Table(title=title + f"{problem.test.n_samples:,} to test on; * stopped before its end")
    for column in ("selector", "test error", "95 %", "members", "lowest search error", "evaluations", "seconds"):
        table.add_column(column, justify="left" if column == "selector" else "right", no_wrap=True)
    for row in sorted(rows, key=lambda row: (row.test_errors, row.size)):
        table.add_row(*row.cells(problem.test.n_samples))
    console.print(table)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
