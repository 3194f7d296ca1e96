"""Pick one ensemble of a front, by a rule that looks at the search split alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import unknown
from evo_ensyth.results.front import Front
from evo_ensyth.results.limits import beyond
from evo_ensyth.results.statistics import knee, smallest_within_one_standard_error

RULES = ("recommended", "knee", "one_standard_error", "lowest_error")
# Share of the gain over the cheapest ensemble that may be given up for a smaller one.
GIVEN_UP = 0.05


def by_size_rule(criterion: np.ndarray, costs: np.ndarray, given_up: float = GIVEN_UP) -> int:
    """Index of the cheapest ensemble that has nearly all of the gain over the cheapest one there is.

    It is the cheapest with S <= S_min + given_up (S_1 - S_min), where S is the criterion, S_min its lowest value and
    S_1 that of the cheapest ensemble. Of equals, the first with the lowest criterion.

    Parameters
    ----------
    criterion, costs : float64, (n,)
        Of the ensembles of a front; smaller is better.
    given_up : float
        The share of the gain, by default 0.05.
    """
    order = np.lexsort((criterion, costs))
    cheapest, least = criterion[order[0]], criterion.min()
    return int(order[np.argmax(criterion[order] <= least + given_up * (cheapest - least))])


def lowest_error(errors: np.ndarray, sizes: np.ndarray) -> int:
    """Index of the ensemble with the fewest errors; of equals, the smallest: int64, (n,), both."""
    return int(np.lexsort((sizes, errors))[0])


def pick(
    front: Front,
    objectives: Sequence[str],
    recommended: int,
    *,
    size: int | None = None,
    at_most: Mapping[str, float] | None = None,
    rule: str | None = None,
) -> int:
    """Return the index of the ensemble that one rule takes; the recommended one without a rule.

    Parameters
    ----------
    front : Front
        Not empty.
    objectives : sequence of str
        What was minimised; the knee is that of the error against the first cost among them.
    recommended : int
        Index of the recommended ensemble.
    size, at_most, rule
        One of them, or none: the best of this size, the one that is recommended among those that cost no more, or one
        of `RULES`.

    Raises
    ------
    InputError
        More than one rule, an unknown one, or one that no ensemble of the front meets.
    """
    if sum((size is not None, bool(at_most), rule is not None)) > 1:
        raise InputError("size, at_most and rule are one rule each; give one.")
    if size is not None:
        return of_size(front, size)
    if at_most:
        return within_limits(front, objectives, at_most)
    if rule is None or rule == "recommended":
        return recommended
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if rule == "knee":
        return at_knee(front, objectives)
    return _best(front, list(range(len(front)))) if rule == "lowest_error" else within_one_standard_error(front)


def pick_in_words(
    *, size: int | None = None, at_most: Mapping[str, float] | None = None, rule: str | None = None
) -> str:
    """Say which ensemble `pick` takes; parameters as there."""
    if size is not None:
        return f"the best of size {size}"
    if at_most:
        return f"the best with at most {', '.join(f'{name}={limit:.12g}' for name, limit in at_most.items())}"
    words = {"knee": "at the knee", "one_standard_error": "the smallest within one standard error"}
    return words.get(rule or "", (rule or "recommended").replace("_", " "))


def of_size(front: Front, size: int) -> int:
    """Index of the ensemble of this size with the fewest errors.

    Raises
    ------
    InputError
        The front has none; the message names the nearest sizes.
    """
    sizes = sorted({ensemble.size for ensemble in front})
    if size not in sizes:
        below, above = [s for s in sizes if s < size][-1:], [s for s in sizes if s > size][:1]
        nearest = " and ".join(map(str, below + above))
        raise InputError(f"no ensemble of {size} members is on this front; the nearest in size has {nearest}.")
    return _best(front, [i for i, ensemble in enumerate(front) if ensemble.size == size])


def within_limits(front: Front, objectives: Sequence[str], limits: Mapping[str, float]) -> int:
    """Index of the ensemble that `by_size_rule` takes among those that cost no more than they may.

    That is what a search with the same limits recommends, if the limited costs were minimised and all subsets were
    evaluated.

    Parameters
    ----------
    front : Front
    objectives : sequence of str
    limits : mapping of a cost, or an objective, to the largest value

    Raises
    ------
    InputError
        A cost that is not known, or limits that no ensemble keeps; the message names the nearest one.
    """
    rows = [ensemble.all_costs for ensemble in front]
    for cost in limits:
        if cost not in rows[0]:
            raise unknown("cost in this run", cost, rows[0])
    columns = [beyond(np.array([row[cost] for row in rows]), limit) for cost, limit in limits.items()]
    excess = np.stack(columns, axis=1)
    fitting = np.flatnonzero((excess <= 0).all(axis=1))
    if not len(fitting):
        # Each cost in units of its least excess over the limit, for they have different ones.
        least = np.where(excess > 0, excess, np.inf).min(axis=0)
        nearest = rows[int((np.maximum(excess, 0) / np.where(np.isinf(least), 1, least)).max(axis=1).argmin())]
        told = ", ".join(f"{cost}={nearest[cost]:.12g}" for cost in limits)
        raise InputError(f"no ensemble of this front costs so little; the nearest has {told}.")
    criteria, costs = _weighed(front, objectives)
    return _recommended_of(front, criteria, costs, fitting)


def picks_by_cost(front: Front, objectives: Sequence[str], cost: str, most: int = 300) -> list[tuple[float, int]]:
    """Every limit of a cost that changes what fits, and the index that `within_limits` takes for it, cheapest first.

    Parameters
    ----------
    front : Front
    objectives : sequence of str
    cost : str
        A cost, or an objective.
    most : int
        Of more limits, so many evenly among them.
    """
    values = np.array([ensemble.all_costs[cost] for ensemble in front])
    limits = np.unique(values)
    limits = limits[np.unique(np.linspace(0, len(limits) - 1, min(most, len(limits))).round().astype(int))]
    criteria, costs = _weighed(front, objectives)
    return [
        (float(limit), _recommended_of(front, criteria, costs, np.flatnonzero(values <= limit))) for limit in limits
    ]


def _weighed(front: Front, objectives: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What the size rule weighs: the criterion, and the cost that it is to be kept low; float64 (n,), both."""
    cost = next((name for name in objectives if name != objectives[0]), "n_members")
    criteria = np.array([ensemble.criterion for ensemble in front], np.float64)
    return criteria, np.array([ensemble.all_costs.get(cost, ensemble.size) for ensemble in front])


def _recommended_of(front: Front, criteria: np.ndarray, costs: np.ndarray, indices: np.ndarray) -> int:
    if np.isnan(criteria[indices]).any():  # a run of an earlier version
        return _best(front, indices.tolist())
    return int(indices[by_size_rule(criteria[indices], costs[indices])])


def at_knee(front: Front, objectives: Sequence[str]) -> int:
    """Index of the ensemble at the knee of error against cost; see `statistics.knee`.

    The cost is the first objective that is one of the pool, or the number of members.

    Raises
    ------
    InputError
        The front has no knee.
    """
    known = {"n_members", *front[0].costs}
    cost = next((name for name in objectives if name in known), "n_members")
    values = [[ensemble.all_costs[cost], ensemble.error("search")] for ensemble in front]
    index = knee(np.array(values))
    if index is None:
        raise InputError("this front has no knee: no ensemble lies below the line between its ends; use --size.")
    return index


def within_one_standard_error(front: Front) -> int:
    """Index of the smallest ensemble within one standard error of the best."""
    errors = np.array([ensemble.search_errors for ensemble in front])
    sizes = np.array([ensemble.size for ensemble in front])
    return smallest_within_one_standard_error(errors, sizes, front[0].n_search)


def _best(front: Front, indices: list[int]) -> int:
    return min(indices, key=lambda i: (front[i].search_errors, front[i].size))
