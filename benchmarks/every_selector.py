"""Run every selector on one pool and evaluate its recommended ensemble on unseen samples.

::

    python benchmarks/every_selector.py                              the pool of digits, or a simulated one
    python benchmarks/every_selector.py --pool votes.npz             predictions, a pool folder, or a problem
    python benchmarks/every_selector.py --methods drep k_medoids     these only
    python benchmarks/every_selector.py --members 10                 ten members, evenly spread over the pool

A method is ``SELECTOR``, led by the error, or ``SELECTOR@OBJECTIVE``: plain NSGA-II is ``nsga2``, and the
default of the package carries its objective in its name. A simulated pool, and a file that is not split, are
halved. First, on 10 of the members, no selector may find fewer errors at any size than the enumeration of all 1,023
ensembles, counted by a matrix product. The recommended ensemble is the one on the front with the fewest errors on the
search split; between equal errors, the smallest. One split of one pool says little about which selector is best.
"""

import contextlib
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from generation import GOALS, drawn_problem
from output import Output, Sheet, Value, arguments
from unseen import Method
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.results.statistics import interval, lowest
from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.workspace import build_pool, load_problem

DRAWN = (36, 10_000, 10)
ENUMERATED = 10
# In a larger pool the estimate of `exact` takes too long, and nothing can stop it.
MOST_FOR_EXACT = 36
DIGITS = Path("runs/digits/pool/pool.json")


@dataclass(frozen=True)
class Row:
    """What one method recommends, and what it cost."""

    method: str
    test_errors: int
    size: int
    search_error: float
    evaluations: int
    seconds: float
    stopped: bool

    def values(self, n_test: int) -> list[Value]:
        """One line of the table."""
        low, high = interval(self.test_errors, n_test)
        error, seconds = self.test_errors / n_test, f"{self.seconds:.2f}*" if self.stopped else self.seconds
        between = f"{low:.2%} - {high:.2%}"
        return [self.method, error, between, self.size, self.search_error, self.evaluations, seconds]


def searched(problem: Problem, method: Method, seconds: float) -> tuple[Evaluator, bool]:
    """Search with one selector until it ends by itself, or stop it at the time limit and record that."""
    problem = problem.with_objectives((method.objective or "error", "n_members"))
    problem.reference  # noqa: B018 - computed now, outside the timed part
    evaluator = Evaluator(problem)  # with a time limit some selectors would use all of it
    timer = threading.Timer(seconds, evaluator.budget.stop)
    timer.start()
    with contextlib.suppress(SearchOver):
        selectors.load(method.selector).select(evaluator, np.random.default_rng(1))
    timer.cancel()
    evaluator.budget.close()
    return evaluator, evaluator.budget.stopped


def check(problem: Problem, methods: list[Method], seconds: float) -> None:
    """Check that no selector beats the enumeration of a small pool. This also compiles and imports what they need."""
    few = replace(problem.search, y_pred=problem.search.y_pred[:ENUMERATED])
    codes = np.arange(1, 2**few.n_members)
    everything = (codes[:, None] >> np.arange(few.n_members) & 1).astype(bool)
    errors = matrix_product(few, one_hot(few), everything)
    sizes = np.count_nonzero(everything, axis=1)
    fewest = np.array([errors[sizes == size].min() for size in range(1, few.n_members + 1)])
    small = drawn_problem(few)
    for method in methods:
        front = small.on_search(searched(small, method, seconds)[0].archive.subsets)
        found = front.errors
        beaten = found < fewest[front.sizes - 1]
        if beaten.any():
            sys.exit(f"{method.name} claims {found[beaten]} errors, fewer than any ensemble of these sizes makes.")


def recommended(problem: Problem, method: Method, seconds: float) -> Row:
    """Search by one method and evaluate its recommended ensemble on the test split."""
    found, stopped = searched(problem, method, seconds)
    front = problem.on_search(found.archive.subsets)
    chosen = lowest(front.errors, front.sizes)
    on_test = problem.on_test(front.subsets[[chosen]])
    assert on_test is not None
    search_error = int(front.errors[chosen]) / problem.search.n_samples
    size = int(front.sizes[chosen])
    return Row(
        method.name,
        int(on_test.errors[0]),
        size,
        search_error,
        found.budget.n_evaluations,
        found.budget.elapsed,
        stopped,
    )


def problem_of(target: str | None) -> Problem:
    """The requested pool as a problem of error and size."""
    if target is None and not DIGITS.exists():
        votes = draw_votes(*DRAWN)
        half = votes.n_samples // 2
        search, test = (
            Votes(votes.y_pred[:, part], votes.y_true[part], votes.n_classes, split)
            for part, split in ((slice(half), "search"), (slice(half, None), "test"))
        )
        drawn = drawn_problem(search)
        return replace(drawn, pool=replace(drawn.pool, test=test))
    make = partial(build_pool, progress=lambda done, total, text: print(text, file=sys.stderr))
    problem = load_problem(target, build=make)
    if problem.test is None:
        sys.exit(f"{target} has no test split; recommended ensembles are judged on one.")
    return problem.with_objectives(tuple(problem.find(goal) for goal in GOALS))


def thinned(problem: Problem, n_members: int) -> Problem:
    """The same problem for some members, evenly spread over the pool."""
    kept = np.linspace(0, len(problem.pool) - 1, min(n_members, len(problem.pool))).round().astype(int)
    assert problem.test is not None
    name = f"{problem.name}, {len(kept)} of {len(problem.pool)} members"
    return replace(problem.among(kept), name=name)


def every_method(n_members: int) -> list[str]:
    """All selectors by the error, and the default by the smoothed error."""
    names = [name for name in selectors.names() if name != "exact" or n_members <= MOST_FOR_EXACT]
    return [*names, "nsga2@smoothed_error"]


def main() -> None:
    """Check on ten members, then print one table."""
    parser = arguments(__doc__)
    parser.add_argument("--pool", metavar="TARGET", help="as for `python -m evo_ensyth search`")
    parser.add_argument("--members", type=int, help="take so many of them; by default all")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="by default all selectors")
    parser.add_argument("--seconds", type=float, default=30.0, help="stop a selector that has not ended by then")
    options = parser.parse_args()
    problem = problem_of(options.pool)
    problem = thinned(problem, options.members) if options.members else problem
    assert problem.test is not None
    methods = [Method(name) for name in options.methods or every_method(len(problem.pool))]
    with Output(__doc__, options) as out:
        check(problem, methods, options.seconds)
        out.note(f"{min(ENUMERATED, len(problem.pool))} members: no selector beats the enumeration.")
        rows = [recommended(problem, method, options.seconds) for method in methods]
        n_test = problem.test.n_samples
        title = f"{problem.name}: {len(problem.pool)} members, {problem.search.n_samples:,} samples to search on, "
        columns = {
            "method": "", "test error": ".2%", "95 %": "", "members": "", "search error": ".2%", "evaluations": ",",
            "seconds": ".2f",
        }  # fmt: skip
        ranked = sorted(rows, key=lambda row: (row.test_errors, row.size))
        title += f"{n_test:,} to test on; * stopped before its end"
        out.show(Sheet(title, columns, [row.values(n_test) for row in ranked]))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
