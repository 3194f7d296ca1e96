"""Which ensemble of a front to recommend, and what error to expect of it: from the search split alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.objectives import judge
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.pick import by_size_rule, lowest_error
from evo_ensyth.results.statistics import LEVEL, mcnemar
from evo_ensyth.selection.budget import Budget
from evo_ensyth.selection.evaluator import Evaluator
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
    Where all ensembles predict the same on the search split, the cheapest is recommended: unanimous members lower the
    smoothed error without changing a prediction. The size rule passes over ensembles that are clearly worse than the
    best single member, as many of the best members, or the whole pool: more errors on the search split, by McNemar's
    test. If no other is left, the ensemble with the fewest errors is recommended.
    """
    ensembles = problem.on_search(subsets)
    sizes = ensembles.sizes
    if rule == "lowest_error":
        return lowest_error(ensembles.errors, sizes)
    alike = ensembles.errors.min() == ensembles.errors.max() and np.ptp(ensembles.predictions, axis=0).max() == 0
    values = judge(problem.objectives, ensembles)
    others = [i for i, goal in enumerate(problem.objectives) if goal is not problem.leading]
    costs = values[:, others[0]] if others else sizes.astype(np.float64)
    if alike:
        return int(np.lexsort((sizes, costs))[0])
    of_front = criterion(problem, subsets, values)
    candidates = np.arange(len(subsets))
    while len(candidates):
        best = int(candidates[by_size_rule(of_front[candidates], costs[candidates])])
        if not _clearly_worse(problem, subsets[best]):
            return best
        candidates = candidates[candidates != best]
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
    n_errors = 0
    for i in range(n_found):
        if stopped():
            return None
        rest = np.flatnonzero(fold != i)
        pool = replace(problem.pool, search=votes.part(samples=rest), test=None, parent=None)
        inner = replace(problem, pool=pool)
        evaluator = Evaluator(inner, Budget())
        quick.select(evaluator, np.random.default_rng(0))
        front = evaluator.archive.subsets
        if not len(front):
            return None
        subset = front[recommend(inner, front, rule)]
        held_out = votes.part(np.flatnonzero(subset), np.flatnonzero(fold == i), "test")
        predicted = inner.fitted_vote.of(subset).predict(held_out)
        n_errors += int(np.count_nonzero(predicted != held_out.y_true))
        on_fold(i + 1, n_found)
    return Estimate(n_errors, votes.n_samples, n_found, grouped=votes.groups is not None)


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


def _clearly_worse(problem: Problem, subset: np.ndarray) -> bool:
    """Whether a subset makes significantly more errors on the search split than one that needs no search."""
    votes = problem.search
    best_first = np.argsort(votes.member_errors, kind="stable")
    rank = np.argsort(best_first, kind="stable")
    rivals = np.stack([rank < 1, rank < np.count_nonzero(subset), np.ones_like(subset)])
    if problem.constraints:
        return False  # rivals may be worse by the constraints
    ours, *theirs = problem.tally.predictions(np.concatenate([subset[None], rivals])) != votes.y_true
    for wrong in theirs:
        ours_only, theirs_only = np.count_nonzero(ours & ~wrong), np.count_nonzero(wrong & ~ours)
        if ours_only > theirs_only and mcnemar(int(ours_only), int(theirs_only)) < 1 - LEVEL:
            return True
    return False
