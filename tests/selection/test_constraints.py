"""Hard constraints: what violates one is never on a front, and the front is the best of what keeps all."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective
from evo_ensyth.selection import selectors
from evo_ensyth.selection.archive import dominates
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.constraints import Constraint, constraints_of, penalised
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run


@pytest.fixture
def make_constrained(make_problem):
    """A function that draws a problem with constraints."""

    def make(at_most=None, at_least=None, **settings):
        problem = make_problem(**settings)
        return problem.with_constraints(constraints_of(at_most or {}, at_least or {}, problem.pool.members))

    return make


def kept(problem, subset):
    """By hand, for the constraints that these tests set: bytes at most 90, recall of class 1 at least 0.7."""
    votes = problem.search
    answers = naive.plurality(subset, votes.y_pred, votes.n_classes)
    recall = np.mean(answers[votes.y_true == 1] == 1)
    return problem.pool.costs["bytes"][subset].sum() <= 90 and recall >= 0.7


@pytest.mark.parametrize(
    ("value", "limit", "kept"),
    [
        (0.1 + 0.1 + 0.1, 0.3, True),
        (0.3 * (1 + 1e-8), 0.3, False),
        (2e9 + 1, 2e9, False),  # whole numbers are exact
        (1e-12, 0.0, False),
        (-0.1 - 0.1 - 0.1, -0.3, True),
    ],
)
def test_a_limit_is_met_within_rounding(value, limit, kept):
    measure = Objective("euros", len)
    assert (Constraint(measure, limit).violations(np.array([value]))[0] == 0) == kept
    assert (Constraint(measure, -limit, at_least=True).violations(np.array([-value]))[0] == 0) == kept


def test_the_exact_front_is_that_of_the_feasible(make_constrained):
    problem = make_constrained({"bytes": 90}, {"recall_of_class_1": 0.7})
    search = Evaluator(problem)
    selectors.load("exact").select(search, np.random.default_rng(0))
    inside = [subset for subset in naive.all_subsets(8) if kept(problem, subset)]
    assert 0 < len(inside) < 200
    votes = problem.search
    values = [(naive.errors(s, votes.y_pred, votes.y_true, 4) / votes.n_samples, s.sum()) for s in inside]
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(values)
    assert search.proven_sizes == list(range(1, 9))  # all subsets were evaluated


@pytest.mark.parametrize("name", selectors.names())
def test_no_selector_has_anything_infeasible_on_its_front(name, make_constrained):
    problem = make_constrained({"bytes": 90}, {"recall_of_class_1": 0.7}, n_members=14)
    search = Evaluator(problem, Budget(1500))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(search, np.random.default_rng(1))
    assert all(kept(problem, subset) for subset in search.archive.subsets)
    assert len(search.archive) > 0 or name in ("single_best", "whole_pool")


@pytest.mark.parametrize("name", selectors.names())
@pytest.mark.parametrize("n_members", [3, 11])
def test_constraints_that_nothing_keeps_end_a_search_with_an_empty_front(name, n_members, make_constrained):
    search = Evaluator(make_constrained({"bytes": 0}, n_members=n_members), Budget(800))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(search, np.random.default_rng(1))
    assert len(search.archive) == 0
    assert search.archive.hypervolume == 0
    assert search.archive.history == []


def test_minimising_penalised_values_follows_debs_rule(make_constrained):
    """The feasible dominates the infeasible; of the infeasible, the smaller violation dominates."""
    problem = make_constrained({"bytes": 60})
    subsets = np.array(list(naive.all_subsets(8)))
    values, violations = Evaluator(problem).evaluate(subsets)
    cost = np.where(subsets, problem.pool.costs["bytes"], 0).sum(axis=1)
    inside = cost <= 60
    assert_array_equal(values, Evaluator(problem.with_constraints(())).evaluate(subsets).values)
    assert_array_equal(violations == 0, inside)
    penal = penalised(values, violations)
    assert_array_equal(penal[inside], values[inside])
    for row in np.flatnonzero(inside):
        assert dominates(penal[row][None], penal[~inside]).all()
    for row in np.flatnonzero(~inside):
        assert_array_equal(dominates(penal[row][None], penal[~inside]), cost[~inside] > cost[row])


@pytest.mark.parametrize("value", [1e29, 1e31, 1e299, 1e301, 1e308])
def test_no_feasible_value_is_as_bad_as_a_violation(value):
    penal = penalised(np.full((4, 2), value), np.array([0.0, 0.01, 1e100, 5.0]))
    assert np.isfinite(penal).all()
    assert list(np.argsort(penal[:, 0])) == [0, 1, 3, 2]
    assert len(set(penal[:, 0])) == 4


@pytest.mark.parametrize("name", ["random", "genetic", "nsga2", "nsga2_deap", "nsga2_pymoo", "nsga3", "moead"])
def test_a_legal_cost_of_any_size_is_no_violation(name, make_problem):
    """With a cost of 1e31, any constraint once ended in "none of the ... keeps all constraints", without a reason."""
    problem = make_problem(n_members=14, goals=("bytes", "error"))
    members = replace(problem.pool.members, costs={"bytes": np.full(14, 1e31) * np.arange(1, 15)})
    problem = Problem(
        replace(problem.pool, members=members), ["bytes", "error"], constraints_of({"n_members": 3}, {}, members)
    )
    found = run(problem, name, budget=300)
    assert all(ensemble.search["bytes"] >= 1e31 and ensemble.size <= 3 for ensemble in found.front)
    assert len(found.front) > 0


def test_a_limit_itself_is_allowed(make_problem):
    """1 - 0.9 is a little less than 0.1; a constraint must not say so."""
    problem = make_problem(n_members=1, n_samples=10, n_classes=2)
    truth = np.zeros(10, int)
    labels = np.ones((1, 10), int)
    labels[0, 0] = 0
    problem = replace(problem, pool=replace(problem.pool, search=replace(problem.search, y_pred=labels, y_true=truth)))
    for at_least in ({"accuracy": 0.1}, {"recall_of_class_0": 0.1}, {"error": 0.9}, {"n_members": 1}):
        search = Evaluator(problem.with_constraints(constraints_of({}, at_least, problem.pool.members)))
        search.evaluate(np.ones((1, 1), bool))
        assert len(search.archive) == 1
    search = Evaluator(problem.with_constraints(constraints_of({}, {"accuracy": 0.11}, problem.pool.members)))
    search.evaluate(np.ones((1, 1), bool))
    assert len(search.archive) == 0


def test_a_violation_is_a_share_of_the_limit_and_never_overflows():
    cost = Objective("cost", lambda ensembles: ensembles.sizes)
    values = np.array([0.0, 2.0, 5.0, 1e300])
    assert_array_equal(Constraint(cost, 2.0).violations(values), [0, 0, 1.5, 1e100])
    assert_array_equal(Constraint(cost, 4.0, at_least=True).violations(values), [1, 0.5, 0, 0])
    assert_array_equal(Constraint(cost, 0.0).violations(values), [0, 2, 5, 1e100])


def test_a_run_states_its_constraints_and_proves_no_lowest_errors(make_constrained):
    found = run(
        make_constrained({"bytes": 90}, {"recall_of_class_1": 0.7}), "nsga2", baselines=["single_best"], budget=500
    )
    assert found.constraints == {"at_most": {"bytes": 90}, "at_least": {"recall_of_class_1": 0.7}}
    assert found.to_dict()["constraints"] == found.constraints
    assert found.constraints_in_words == "bytes at most 90, recall_of_class_1 at least 0.7"
    assert found.lowest_errors is None


def test_where_nothing_keeps_the_constraints_the_nearest_is_named(make_constrained):
    problem = make_constrained({"bytes": 2}, {"n_members": 1}, n_members=4)
    costs = problem.pool.costs["bytes"]
    cheapest = int(costs.argmin())
    nearest = rf"the nearest is m{cheapest}: bytes is {costs.min()} \(bytes at most 2\)"
    message = f"none of the 15 .* keeps all constraints; {nearest}"
    with pytest.raises(InputError, match=message):
        run(problem, "nsga2", baselines=["single_best"])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"bytes": float("nan")}, "the limit of 'bytes' is nan; it must be a finite number"),
        ({"bytes": float("inf")}, "the limit of 'bytes' is inf; it must be a finite number"),
        ({"byte": 3}, r"no objective called 'byte'. Did you mean 'bytes'\?"),
        ({"recall_of_class_": 3}, "no objective called 'recall_of_class_'"),
    ],
)
def test_what_is_no_constraint_is_refused(make_problem, limits, message):
    for at_most, at_least in ((limits, {}), ({}, limits)):
        with pytest.raises(InputError, match=message):
            constraints_of(at_most, at_least, make_problem().pool.members)


def test_an_objective_of_ones_own_can_be_limited(make_problem):
    problem = make_problem()
    own = Objective("twice", lambda ensembles: 2.0 * ensembles.sizes)
    (constraint,) = constraints_of({"twice": 4}, {}, problem.pool.members, [own])
    search = Evaluator(problem.with_constraints((constraint,)))
    evaluated = search.evaluate(np.tri(8, dtype=bool))
    assert_array_equal(evaluated.violations, np.maximum(2.0 * np.arange(1, 9) - 4, 0) / 4)


def test_candidates_are_the_neighbours_that_keep_the_constraints_or_come_nearest(make_constrained):
    problem = make_constrained({"bytes": 90}, {"recall_of_class_1": 0.7})
    search = Evaluator(problem)
    everybody = np.ones(8, bool)
    for subset in naive.all_subsets(8):
        if subset.sum() < 2:
            continue
        around = subset ^ np.eye(8, dtype=bool)
        allowed = search.keeping_constraints(subset, everybody)
        assert search.budget.n_evaluations == 0
        if kept(problem, subset) or any(kept(problem, each) for each in around):
            assert_array_equal(allowed, [kept(problem, each) for each in around])
        else:
            assert allowed.any()
    assert_array_equal(search.members_within(1 / 4), problem.pool.costs["bytes"] <= 22.5)
    assert Evaluator(make_constrained()).members_within(1 / 4).all()
