"""Taking one ensemble from the front of a run, by a rule that looks at the search split alone."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import unknown
from evo_ensyth.results.run import Entry, Run
from evo_ensyth.results.statistics import knee, smallest_within_one_standard_error

VOTE = "plurality, ties to the lowest class"


def of_size(run: Run, size: int) -> int:
    """Index of the ensemble of this size with the fewest errors.

    Raises
    ------
    InputError
        The front has none; the message names the nearest sizes.
    """
    sizes = sorted({entry.size for entry in run.found.entries})
    if size not in sizes:
        below, above = [s for s in sizes if s < size][-1:], [s for s in sizes if s > size][:1]
        nearest = " and ".join(map(str, below + above))
        raise InputError(f"no ensemble of {size} members is on this front; the nearest in size has {nearest}.")
    return _best(run, [i for i, entry in enumerate(run.found.entries) if entry.size == size])


def at_most(run: Run, limits: Mapping[str, float]) -> int:
    """Index of the ensemble with the fewest errors among those that cost no more than they may.

    Parameters
    ----------
    run : Run
    limits : mapping of a cost, or an objective, to the largest value

    Raises
    ------
    InputError
        A cost that the run does not know, or limits that no ensemble keeps; the message names the nearest one.
    """
    rows = [costs_of(entry) for entry in run.found.entries]
    for cost in limits:
        if cost not in rows[0]:
            raise unknown("cost in this run", cost, rows[0])
    excess = np.array([[row[cost] - limit for cost, limit in limits.items()] for row in rows])
    fitting = np.flatnonzero((excess <= 0).all(axis=1))
    if not len(fitting):
        # Each cost in units of its least excess over the limit, for they have different ones.
        least = np.where(excess > 0, excess, np.inf).min(axis=0)
        nearest = rows[int((np.maximum(excess, 0) / np.where(np.isinf(least), 1, least)).max(axis=1).argmin())]
        told = ", ".join(f"{cost}={nearest[cost]:.12g}" for cost in limits)
        raise InputError(f"no ensemble of this front costs so little; the nearest has {told}.")
    return _best(run, fitting.tolist())


def limit(text: str) -> tuple[str, float]:
    """Cost and largest value, from ``COST=X``.

    Raises
    ------
    InputError
        It is no such text.
    """
    cost, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not cost or math.isnan(number):
        raise InputError(f"a limit is '{text}'; expected a cost and a number, such as bytes=2e6.")
    return cost.strip(), number


def at_knee(run: Run) -> int:
    """Index of the ensemble at the knee of error against cost; see `statistics.knee`.

    The cost is the first objective that is one of the pool, or the number of members.

    Raises
    ------
    InputError
        The front has no knee.
    """
    known = {"n_members", *run.found.entries[0].costs}
    cost = next((name for name in run.objectives if name in known), "n_members")
    values = [[costs_of(entry)[cost], run.error(entry, "search")] for entry in run.found.entries]
    index = knee(np.array(values))
    if index is None:
        raise InputError("this front has no knee: no ensemble lies below the line between its ends; use --size.")
    return index


def within_one_standard_error(run: Run) -> int:
    """Index of the smallest ensemble within one standard error of the best."""
    errors = np.array([entry.search_errors for entry in run.found.entries])
    sizes = np.array([entry.size for entry in run.found.entries])
    return smallest_within_one_standard_error(errors, sizes, run.n_search)


def summary(run: Run, index: int, rule: str) -> dict[str, Any]:
    """What ``pick --json`` prints of one ensemble."""
    return {
        "problem": run.problem,
        "selector": run.found.selector,
        "seed": run.seed,
        "rule": rule,
        "vote": VOTE,
        **run.brief(run.found.entries[index], run.comparisons[index]),
        "warnings": [asdict(warning) for warning in run.warnings_of(index)],
    }


def costs_of(entry: Entry) -> dict[str, float]:
    """All that is known of an ensemble's costs: its number of members, costs of the pool, objectives."""
    return {"n_members": float(entry.size), **entry.costs, **entry.search}


def _best(run: Run, indices: list[int]) -> int:
    entries = run.found.entries
    return min(indices, key=lambda i: (entries[i].search_errors, entries[i].size))
