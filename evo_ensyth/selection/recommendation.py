"""Which ensemble of a front to recommend, and what error to expect of it: from the search split alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective, judge
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.pick import by_size_rule, lowest_error
from evo_ensyth.results.resampling import independent_samples
from evo_ensyth.results.statistics import LEVEL, mcnemar
from evo_ensyth.selection.budget import Budget
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.metrics import clearly_worse, is_metric
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy

RULES = ("size_rule", "lowest_error")
FOLDS = 10
# Ensembles of the search within a fold have at most this many members, or twice as many as are recommended.
LEAST_LARGEST = 20


def criterion(problem: Problem, subsets: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a recommendation weighs against cost: float64, (n,); smaller is better.

    The smoothed error where the problem asks for the error or an estimate of it, otherwise the leading objective.

    Parameters
    ----------
    problem : Problem
    subsets : bool, (n, n_members)
    values : float64, (n, n_objectives)
    """
    leading = problem.leading
    if problem.is_about_errors(leading):
        return problem.on_search(subsets).smoothed_losses / (STEPS * problem.search.n_samples)
    return np.asarray(values[:, problem.objectives.index(leading)])


def recommend(problem: Problem, subsets: np.ndarray, rule: str = "size_rule") -> int:
    """Index of the recommended ensemble.

    Parameters
    ----------
    problem : Problem
    subsets : bool, (n, n_members)
        The front.
    rule : str
        ``size_rule``: see `by_size_rule`; the cost is the first objective besides the leading one. ``lowest_error``:
        the fewest errors on the search split, of equals the smallest.

    Notes
    -----
    Where all ensembles predict the same on the search split, the cheapest is recommended, unless a metric leads:
    unanimous members lower the smoothed error without changing a prediction. The size rule passes over ensembles that
    are clearly worse than the best single member, as many of the best members, or the whole pool: more errors on the
    search split, by McNemar's test or, where a metric such as the AUC leads, worse in 97.5 % of its resamples. If no
    other is left, the ensemble with the fewest errors, or the best by that metric, is recommended.
    """
    ensembles = problem.on_search(subsets)
    sizes = ensembles.sizes
    if rule == "lowest_error":
        return lowest_error(ensembles.errors, sizes)
    by_metric = is_metric(problem, problem.leading)
    alike = ensembles.errors.min() == ensembles.errors.max() and np.ptp(ensembles.predictions, axis=0).max() == 0
    values = judge(problem.objectives, ensembles)
    others = [i for i, goal in enumerate(problem.objectives) if goal is not problem.leading]
    costs = values[:, others[0]] if others else sizes.astype(np.float64)
    if alike and not by_metric:
        return int(np.lexsort((sizes, costs))[0])
    of_front = criterion(problem, subsets, values)
    candidates = np.arange(len(subsets))
    while len(candidates):
        best = int(candidates[by_size_rule(of_front[candidates], costs[candidates])])
        if not _clearly_worse(problem, subsets[best], by_metric=by_metric):
            return best
        candidates = candidates[candidates != best]
    if by_metric:
        return int(np.lexsort((sizes, of_front))[0])
    return lowest_error(ensembles.errors, sizes)


def nested_estimate(
    problem: Problem,
    rule: str,
    size: int,
    *,
    n_folds: int = FOLDS,
    on_fold: Callable[[int, int], object] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Estimate | None:
    """Estimate the error of the recommended ensemble on unseen samples by nested cross-validation.

    In each fold a greedy search, the recommendation and the vote rule see the other folds only.

    Parameters
    ----------
    problem : Problem
    rule : str
        As for `recommend`.
    size : int
        Size of the ensemble that the search recommends; larger ensembles than twice that are not tried.
    n_folds : int
    on_fold : function of (done, total), optional
        Called after each fold.
    stopped : function, optional
        The estimate is given up once it returns true.

    Returns
    -------
    Estimate or None
        None if it was stopped, if there are fewer than two samples or groups, or if in some fold no ensemble keeps the
        constraints.
    """
    votes = problem.search
    fold = stratified_folds(votes.y_true, votes.groups, n_folds)
    n_found = int(fold.max()) + 1
    if n_found < 2:
        return None
    quick = ForwardGreedy(max_size=max(LEAST_LARGEST, 2 * size))
    wrong = np.empty(votes.n_samples, bool)
    values = []
    for i in range(n_found):
        if stopped():
            return None
        found = _judged_fold(problem, rule, quick, np.flatnonzero(fold != i), np.flatnonzero(fold == i))
        if found is None:
            return None
        wrong[fold == i], value = found
        values += [] if value is None else [value]
        on_fold(i + 1, n_found)
    return Estimate(
        int(np.count_nonzero(wrong)),
        votes.n_samples,
        n_found,
        grouped=votes.groups is not None,
        n_independent=None if votes.groups is None else float(independent_samples(wrong[None], votes.groups)[0]),
        value=float(np.average(values, weights=np.bincount(fold))) if np.isfinite(values).all() and values else None,
    )


def _judged_fold(
    problem: Problem, rule: str, quick: ForwardGreedy, rest: np.ndarray, held_out: np.ndarray
) -> tuple[np.ndarray, float | None] | None:
    """What is recommended by all but some samples, on those: where it is wrong, and its value if a metric leads.

    None if no ensemble keeps the constraints. Nothing that is made for a fold is left for the next one.
    """
    votes = problem.search
    pool = replace(problem.pool, search=votes.part(samples=rest), test=None, parent=None)
    inner = replace(problem, pool=pool)
    evaluator = Evaluator(inner, Budget())
    quick.select(evaluator, np.random.default_rng(0))
    front = evaluator.archive.subsets
    if not len(front):
        return None
    subset = front[recommend(inner, front, rule)]
    judged = votes.part(samples=held_out, split="test")
    wrong = inner.fitted_vote.of(subset).predict(judged.part(np.flatnonzero(subset))) != judged.y_true
    if not is_metric(problem, problem.leading):
        return wrong, None
    tally = inner.fitted_vote.tally(judged)
    return wrong, _value(problem.leading, Ensembles(subset[None], pool.members, judged, counted_by=tally))


def stratified_folds(y_true: np.ndarray, groups: np.ndarray | None, n_folds: int) -> np.ndarray:
    """Fold of each sample, without randomness: int64, (n_samples,).

    Parameters
    ----------
    y_true : int, (n_samples,)
        Every class is spread evenly over the folds.
    groups : int, (n_samples,), optional
        Samples of a group stay together: the groups, the largest first, go to the fold with the fewest samples.
    n_folds : int
        At most as many as there are samples or groups.
    """
    n_samples = len(y_true)
    fold = np.empty(n_samples, np.int64)
    if groups is None:
        fold[np.argsort(y_true, kind="stable")] = np.arange(n_samples) % min(n_folds, n_samples)
        return fold
    _, of_sample, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    filled = np.zeros(min(n_folds, len(sizes)), np.int64)
    of_group = np.empty(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        of_group[group] = filled.argmin()
        filled[of_group[group]] += sizes[group]
    return np.asarray(of_group[of_sample])


def _value(objective: Objective, ensembles: Ensembles) -> float:
    """Value for one ensemble; NaN where an objective fails, such as a scorer on a fold without some class."""
    try:
        return float(judge([objective], ensembles)[0, 0])
    except InputError:
        return float("nan")


def _clearly_worse(problem: Problem, subset: np.ndarray, *, by_metric: bool) -> bool:
    """Whether a subset is significantly worse on the search split than one that needs no search.

    By its errors or, where a metric leads, by that.
    """
    votes = problem.search
    best_first = np.argsort(votes.member_errors, kind="stable")
    rank = np.argsort(best_first, kind="stable")
    rivals = np.stack([rank < 1, rank < np.count_nonzero(subset), np.ones_like(subset)])
    if problem.constraints:
        return False  # rivals may be worse by the constraints
    if by_metric:
        return any(clearly_worse(problem, problem.leading, subset, rival) for rival in rivals)
    ours, *theirs = problem.tally.predictions(np.concatenate([subset[None], rivals])) != votes.y_true
    for wrong in theirs:
        ours_only, theirs_only = np.count_nonzero(ours & ~wrong), np.count_nonzero(wrong & ~ours)
        if ours_only > theirs_only and mcnemar(int(ours_only), int(theirs_only)) < 1 - LEVEL:
            return True
    return False
