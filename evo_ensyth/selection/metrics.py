"""Judge the recommended ensemble by metrics: objectives that are neither the error nor a cost."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective, judge
from evo_ensyth.results.metric import Difference, Interval, Metric
from evo_ensyth.results.resampling import draws
from evo_ensyth.results.statistics import LEVEL
from evo_ensyth.selection.problem import Problem

RESAMPLES = 1_000
# Where an objective has to be evaluated on each resample as on a split of its own.
FEW_RESAMPLES = 200
# Labels of a resample, and members times samples, beyond which that would take too long.
MOST_LABELS = 20_000_000


def is_metric(problem: Problem, objective: Objective) -> bool:
    """Whether an objective judges answers, other than by counting errors: its values depend on the samples."""
    if problem.is_about_errors(objective) or objective.counts:
        return False
    half = problem.search.part(samples=slice(0, None, 2), split="test")
    few = np.eye(len(problem.pool), dtype=bool)[:3]
    pool, fitted = problem.pool.members, problem.fitted_vote
    try:
        on_half = judge([objective], Ensembles(few, pool, half, counted_by=fitted.tally(half)))
    except InputError:  # such as a scorer that needs more samples
        return True
    return not np.array_equal(on_half, judge([objective], problem.on_search(few)))


def judged_by_metrics(problem: Problem, subset: np.ndarray) -> tuple[Metric, ...]:
    """Judge an ensemble, and what is simpler to have, by each metric among the objectives.

    Parameters
    ----------
    problem : Problem
    subset : bool, (n_members,)
        The recommended ensemble. The test split is read: only for `run`, once selection is over.
    """
    metrics = [objective for objective in problem.objectives if is_metric(problem, objective)]
    if not metrics:
        return ()
    rank = np.argsort(np.argsort(problem.search.member_errors, kind="stable"), kind="stable")
    rivals = {"best_k": rank < np.count_nonzero(subset), "single_best": rank < 1, "whole_pool": np.ones_like(subset)}
    rivals = {name: rival for name, rival in rivals.items() if not np.array_equal(rival, subset)}
    subsets = np.stack([subset, *rivals.values()])
    return tuple(_judged(problem, objective, subsets, list(rivals)) for objective in metrics)


def clearly_worse(problem: Problem, objective: Objective, subset: np.ndarray, rival: np.ndarray) -> bool:
    """Whether an ensemble is worse than another one on the search split by a metric, beyond chance."""
    ensembles = problem.on_search(np.stack([subset, rival]))
    ours, theirs = judge([objective], ensembles)[:, 0]
    if ours <= theirs:
        return False
    drawn = _resampled(problem, objective, ensembles, FEW_RESAMPLES)
    return drawn is not None and bool(np.quantile(drawn[:, 0] - drawn[:, 1], (1 - LEVEL) / 2) > 0)


def _judged(problem: Problem, objective: Objective, subsets: np.ndarray, rivals: list[str]) -> Metric:
    search, test = problem.on_search(subsets), problem.on_test(subsets)
    on_search = judge([objective], search)[:, 0]
    of_search = _resampled(problem, objective, search, RESAMPLES)
    on_test = judge([objective], test)[:, 0] if test else None
    of_test = _resampled(problem, objective, test, RESAMPLES) if test else None
    differences = {
        name: Difference(
            float(on_search[0] - on_search[i]),
            None if on_test is None else float(on_test[0] - on_test[i]),
            _percentiles(None if of_test is None else of_test[:, 0] - of_test[:, i]),
        )
        for i, name in enumerate(rivals, start=1)
    }
    return Metric(
        objective.name,
        float(on_search[0]),
        None if on_test is None else float(on_test[0]),
        _percentiles(None if of_search is None else of_search[:, 0]),
        _percentiles(None if of_test is None else of_test[:, 0]),
        differences,
    )


def _percentiles(values: np.ndarray | None) -> Interval | None:
    if values is None:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _resampled(problem: Problem, objective: Objective, ensembles: Ensembles, resamples: int) -> np.ndarray | None:
    """Values on resamples that all ensembles share: float64, (n_resamples, n_ensembles); None where that is too slow.

    Samples are drawn again, or whole groups where there are groups.
    """
    votes = ensembles.votes
    counted = partial(draws, votes.n_samples, votes.groups)
    if objective.resampled is not None:
        alone = [Ensembles(row[None], ensembles.pool, votes, counted_by=ensembles.tally) for row in ensembles.subsets]
        columns = [[objective.resampled(one, counts) for one in alone] for counts in counted(resamples)]
        return np.concatenate([np.stack(values, axis=1) for values in columns])
    fitted = problem.fitted_vote
    # A rule that is fitted to each ensemble is cross-fitted on the search split, which cannot hold a sample twice.
    if votes.y_pred.size > MOST_LABELS or (fitted.everybody is None and votes.split == "search"):
        return None

    def values() -> Iterator[np.ndarray]:
        for counts in counted(min(resamples, FEW_RESAMPLES)):
            for drawn in counts:
                part = votes.part(samples=np.repeat(np.arange(votes.n_samples), drawn))
                again = Ensembles(ensembles.subsets, ensembles.pool, part, counted_by=fitted.tally(part))
                yield judge([objective], again)[:, 0]

    try:
        return np.stack(list(values()))
    except InputError:  # such as a scorer that needs a class which was not drawn
        return None
