"""Measure the cost of guiding the default search by the shrunk error: CPU time compared with plain NSGA-II.

    python benchmarks/default_cost.py

Both judge the same number of ensembles, on the same simulated pools, on one thread. First, the values of all
neighbours of a subset, counted together, are compared with those counted one by one.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import contextlib
import sys
import time
from dataclasses import replace

import numpy as np
from generation import drawn_problem
from output import Output, Sheet, Value, arguments
from votes import draw_votes

from evo_ensyth import objectives
from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem

POOLS = ((36, 5_000, 10), (200, 10_000, 10), (1_000, 5_000, 10), (1_000, 50_000, 100))
# The usual budget, or enough for the paths from which the search starts if they take more.
BUDGETS = (20_000, 100_000)
GOALS = ("error", "smoothed_error")


def seconds(problem: Problem, goal: str, budget: int) -> float:
    """Processor time of one search."""
    problem = problem.with_objectives((goal, "n_members"))
    problem.reference  # noqa: B018 - computed now, outside the timed part
    evaluator = Evaluator(problem, Budget(budget))
    started = time.process_time()
    with contextlib.suppress(SearchOver):
        selectors.load("nsga2").select(evaluator, np.random.default_rng(1))
    return time.process_time() - started


def check(problem: Problem, goal: str) -> None:
    """Compare values counted for all neighbours of a subset together with values counted one by one."""
    objective = objectives.find(goal, problem.pool.members)
    subset = np.arange(len(problem.pool)) % 3 == 0
    neighbours = problem.on_search(subset ^ np.eye(len(problem.pool), dtype=bool))
    if (objective.evaluate(neighbours) != objective.evaluate(replace(neighbours, around=subset))).any():
        sys.exit(f"{goal}: neighbours counted together differ from those counted one by one")


def main() -> None:
    """Print one table."""
    rows: list[list[Value]] = []
    with Output(__doc__, arguments(__doc__).parse_args()) as out:
        for pool in POOLS:
            problem = drawn_problem(draw_votes(*pool))
            for goal in GOALS:
                check(problem, goal)
                seconds(problem, goal, 3_000)  # compiles
            for usual in BUDGETS:
                budget = usual if usual == BUDGETS[0] else max(usual, 2 * pool[0] * (pool[0] + 5))
                plain, smoothed = (seconds(problem, goal, budget) for goal in GOALS)
                rows.append([" x ".join(f"{n:,}" for n in pool), budget, plain, smoothed, smoothed / plain])
        columns = {
            "members, samples, classes": "",
            "ensembles judged": ",",
            **dict.fromkeys(GOALS, ".2f"),
            "ratio": ".1f",
        }
        title = f"nsga2 by {GOALS[1]}, and by {GOALS[0]}: CPU seconds"
        out.show(Sheet(title, columns, rows))


if __name__ == "__main__":
    main()
