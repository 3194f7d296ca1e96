"""The same search on other random splits: how much of what was found depends on the split."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.pool.resplit import resplit
from evo_ensyth.results.run import Run
from evo_ensyth.selection.problem import Problem


def repeated(problem: Problem, splits: int, search: Callable[[Problem], Run], again: Callable[[Problem], Run]) -> Run:
    """Search one split, then others by the next split seeds; the run's ``source`` says what was recommended on each.

    Parameters
    ----------
    problem : Problem
        On a pool that was split at random, if there is more than one split.
    splits : int
        At least 1.
    search, again : function of Problem to Run
        The search that is returned, and that of the other splits.

    Raises
    ------
    InputError
        The number of splits is below 1, or the pool was not split at random.
    """
    if splits < 1:
        raise InputError(f"splits is {splits}; it must be 1 or more.")
    if splits == 1:
        return search(problem)
    first = problem.pool.source.get("split_seed", 0)
    others = [replace(problem, pool=resplit(problem.pool, first + i)) for i in range(1, splits)]
    found = search(problem)
    told = [_told(found)]
    for other in others:
        if found.interrupted:
            break
        told.append(_told(again(other)))
    return replace(found, source={**found.source, "splits": told})


def _told(run: Run) -> dict[str, Any]:
    best = run.recommended
    return {
        "split_seed": run.source["split_seed"],
        "members": list(best.members),
        "search_error": best.error("search"),
        "test_error": best.error("test"),
    }
