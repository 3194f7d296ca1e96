"""Evaluate the fronts of selectors on both splits: the test split is read only here, after all selection is over."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from evo_ensyth.engine import Ensembles
from evo_ensyth.objectives import judge
from evo_ensyth.results.comparison import count_discordant
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.front import Front
from evo_ensyth.results.front_members import FrontMembers
from evo_ensyth.results.resampling import cluster_intervals
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import criterion
from evo_ensyth.selection.selectors import Selector

MOST_MEMBERS = 60  # of a front, that are evaluated alone and in pairs


def judged_fronts(
    problem: Problem, main: str, chosen: Mapping[str, Selector], searched: Mapping[str, Evaluator]
) -> tuple[dict[str, Front], Ensemble, Ensemble]:
    """Evaluate everything on the test split; return the fronts by name, the best single member and the whole pool."""
    best = np.arange(len(problem.pool)) == problem.search.member_errors.argmin()
    references = np.stack([best, np.ones_like(best)])
    subsets = np.concatenate([evaluator.archive.subsets for evaluator in searched.values()] + [references])
    on_search, on_test = problem.on_search(subsets), problem.on_test(subsets)
    ensembles = iter(_ensembles(problem, on_search, on_test))
    fronts = {}
    for name, evaluator in searched.items():
        subsets = evaluator.archive.subsets
        own = list(itertools.islice(ensembles, len(subsets)))
        if name == main:  # only these ensembles are compared with the simple references
            tested = replace(on_test, subsets=subsets) if on_test else None
            counts = count_discordant(replace(on_search, subsets=subsets), tested, problem.pool.parent)
            own = [replace(ensemble, discordant=pairs) for ensemble, pairs in zip(own, counts, strict=True)]
        fronts[name] = Front(
            selector=name,
            settings=_settings(chosen[name]),
            n_evaluations=evaluator.budget.n_evaluations,
            seconds=evaluator.budget.elapsed,
            hypervolume=evaluator.archive.hypervolume,
            ensembles=tuple(own),
            history=tuple(evaluator.archive.history),
            proven_sizes=tuple(evaluator.proven_sizes),
            leading=evaluator.leading.name,
            seconds_compiling=evaluator.budget.compiling,
            ended_by=evaluator.budget.ended_by,
        )
    return fronts, next(ensembles), next(ensembles)


def members_of_front(problem: Problem, subsets: np.ndarray, recommended: int) -> FrontMembers:
    """Evaluate the members of a front alone and in pairs; of very many, the recommended and the most frequent ones.

    Parameters
    ----------
    problem : Problem
    subsets : bool, (n_ensembles, n_members)
    recommended : int
        Row of the recommended ensemble.
    """
    counts = subsets.sum(axis=0)
    frequent = np.lexsort((-counts, ~subsets[recommended]))
    where = np.sort(frequent[: min(MOST_MEMBERS, np.count_nonzero(counts))])
    y_pred, members, places = problem.search.y_pred, problem.pool.members, where.tolist()
    return FrontMembers(
        indices=tuple(where.tolist()),
        names=tuple(members.names[i] for i in where),
        search_errors=tuple(problem.search.member_errors[where].tolist()),
        test_errors=tuple(problem.test.member_errors[where].tolist()) if problem.test else None,
        costs={name: tuple(map(float, values[where])) for name, values in members.costs.items()},
        n_differ=tuple(
            tuple(int(np.count_nonzero(y_pred[i] != y_pred[j])) for j in places[:n]) for n, i in enumerate(places)
        ),
    )


def _ensembles(problem: Problem, on_search: Ensembles, on_test: Ensembles | None) -> list[Ensemble]:
    names = [objective.name for objective in problem.objectives]
    costs = {cost: on_search.total(cost) for cost in problem.pool.costs}
    search_values = judge(problem.objectives, on_search)
    test_values = judge(problem.objectives, on_test) if on_test else None
    found = []
    criteria = criterion(problem, on_search.subsets, search_values)
    intervals = {split.votes.split: _intervals(split) for split in (on_search, on_test) if split}
    for row, subset in enumerate(on_search.subsets):
        indices = tuple(np.flatnonzero(subset).tolist())
        found.append(
            Ensemble(
                indices=indices,
                members=tuple(problem.pool.names[i] for i in indices),
                search=dict(zip(names, search_values[row].tolist(), strict=True)),
                test=None if test_values is None else dict(zip(names, test_values[row].tolist(), strict=True)),
                search_errors=int(on_search.errors[row]),
                test_errors=int(on_test.errors[row]) if on_test else None,
                intervals={split: rows[row] for split, rows in intervals.items() if rows},
                criterion=float(criteria[row]),
                voting=problem.fitted_vote.of(subset),
                costs={cost: float(totals[row]) for cost, totals in costs.items()},
            )
        )
    return found


def _intervals(ensembles: Ensembles) -> list[tuple[float, float]]:
    """Intervals of the errors where samples come in groups; empty where they do not."""
    votes = ensembles.votes
    if votes.groups is None:
        return []
    return cluster_intervals(ensembles.predictions != votes.y_true, votes.groups)


def _settings(selector: Any) -> dict[str, Any]:
    if not is_dataclass(selector):
        return {}
    settings = {field.name: getattr(selector, field.name) for field in fields(selector)}
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain
