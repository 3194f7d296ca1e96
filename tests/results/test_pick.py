"""Picking one ensemble of a front: every rule against all ensembles, looked at one by one."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.statistics import below_the_line

from evo_ensyth.errors import InputError
from evo_ensyth.results.pick import at_knee, by_size_rule, of_size, pick, within_limits, within_one_standard_error
from evo_ensyth.results.run import Run
from evo_ensyth.selection.run import run

GOALS = ("error", "n_members", "bytes")


@pytest.fixture
def found(make_problem) -> Run:
    return run(make_problem(n_members=10, goals=("error", "n_members", "bytes")), "random", budget=400)


def rows(found: Run) -> list[tuple[int, int, float]]:
    return [(ensemble.search_errors, ensemble.size, ensemble.costs["bytes"]) for ensemble in found.front]


def test_a_size_gives_the_best_of_that_size(found):
    for size in {ensemble.size for ensemble in found.front}:
        index = of_size(found.front, size)
        errors = [e for e, n, _ in rows(found) if n == size]
        assert rows(found)[index][:2] == (min(errors), size)


def test_a_size_that_is_not_there_is_refused_with_its_neighbours(found):
    front = replace(found.front, ensembles=tuple(ensemble for ensemble in found.front if ensemble.size in (1, 2, 5)))
    for size, nearest in ((3, "2 and 5"), (4, "2 and 5"), (9, "5")):
        with pytest.raises(InputError, match=f"no ensemble of {size} members .* the nearest in size has {nearest}"):
            of_size(front, size)


def test_limits_give_the_best_that_keeps_them(found):
    for limits in ({"bytes": 60.0}, {"bytes": 100.0, "n_members": 3.0}, {"error": 0.2}, {"parameters": 1e9}):
        index = within_limits(found.front, found.objectives, limits)
        fitting = [
            ensemble for ensemble in found.front
            if all({**ensemble.search, **ensemble.costs}[cost] <= limit for cost, limit in limits.items())
        ]  # fmt: skip
        assert found.front[index] in fitting
        assert index == found.front.ensembles.index(fitting[size_rule(fitting)])


def size_rule(ensembles) -> int:
    """The smallest that keeps 19 of 20 parts of what the best gains over the smallest, one by one."""
    by_size = sorted(range(len(ensembles)), key=lambda i: (ensembles[i].size, ensembles[i].criterion))
    least, first = min(one.criterion for one in ensembles), ensembles[by_size[0]].criterion
    for i in by_size:
        if ensembles[i].criterion - least <= (first - least) / 20:
            return i
    raise AssertionError


@pytest.mark.parametrize(
    ("criterion", "costs", "expected"),
    [
        ([0.2, 0.1], [1, 2], 1),
        ([0.2, 0.105, 0.1], [1, 2, 3], 1),  # the gain of 0.1 may be missed by 0.005
        ([0.2, 0.1051, 0.1], [1, 2, 3], 2),
        ([0.1, 0.1, 0.1], [1, 2, 3], 0),  # all alike: one
        ([0.3, 0.2, 0.1], [1, 1, 2], 2),
        ([0.1, 0.2], [5, 1], 0),
        ([0.2], [3], 0),
    ],
)
def test_the_size_rule_by_hand(criterion, costs, expected):
    assert by_size_rule(np.array(criterion), np.array(costs, float)) == expected


def test_a_limit_is_met_within_rounding(found):
    front = tuple(replace(e, costs={"euros": 0.1 + 0.1 + 0.1 if e.size == 3 else 0.4}) for e in found.front)
    assert found.front[within_limits(replace(found.front, ensembles=front), GOALS, {"euros": 0.3})].size == 3


def test_limits_that_nothing_keeps_are_refused_with_the_nearest(found):
    least = min(cost for _, _, cost in rows(found))
    with pytest.raises(
        InputError, match=f"no ensemble of this front costs so little; the nearest has bytes={least:g}\\."
    ):
        within_limits(found.front, found.objectives, {"bytes": least - 1})
    with pytest.raises(InputError, match="the nearest has bytes="):
        within_limits(found.front, found.objectives, {"bytes": 0.0, "error": 0.0})


def test_a_cost_that_is_not_known_is_refused_with_those_that_are(found):
    with pytest.raises(
        InputError, match=r"no cost in this run called 'byte'\. Did you mean 'bytes'\? There is bytes, error,"
    ):
        within_limits(found.front, found.objectives, {"byte": 1.0})


def test_the_knee_is_that_of_error_against_size(make_problem):
    found = run(make_problem(n_members=12), "nsga2", budget=2000)
    points = np.array([(ensemble.size, ensemble.search_errors) for ensemble in found.front], float)
    distances = below_the_line(points)
    assert distances.max() > 0
    assert at_knee(found.front, found.objectives) == distances.argmax()


def test_a_front_of_one_has_no_knee(make_problem):
    with pytest.raises(InputError, match="this front has no knee"):
        at_knee(run(make_problem(), "single_best").front, ("error", "n_members"))


def test_the_knee_is_that_of_the_first_cost_among_the_objectives(make_problem):
    front = run(make_problem(n_members=10, goals=("error", "bytes", "n_members")), "exact").front
    # The third objective leaves points above and below the line between the ends of the first two.
    by_cost = {}
    for objectives in (("error", "bytes", "n_members"), ("macs", "error"), ("error",), ("double_fault", "error")):
        index = at_knee(front, objectives)
        cost = next((name for name in objectives if name in front[0].costs), "n_members")
        points = np.array([(ensemble.all_costs[cost], ensemble.search_errors) for ensemble in front])
        distances = below_the_line(points)
        assert distances[index] == pytest.approx(distances.max())
        by_cost[cost] = index
    assert len(set(by_cost.values())) > 1


def test_within_one_standard_error_is_the_smallest_that_is_no_worse(found):
    n, errors = found.n_search, np.array([row[0] for row in rows(found)])
    best = errors.min() / n
    bound = best + np.sqrt(best * (1 - best) / n)
    good = [(size, wrong) for wrong, size, _ in rows(found) if wrong / n <= bound]
    assert rows(found)[within_one_standard_error(found.front)][:2] == min(good)[::-1]


@pytest.mark.parametrize(
    ("rule", "function"),
    [
        ({}, lambda front: 3),
        ({"rule": "recommended"}, lambda front: 3),
        ({"at_most": {}}, lambda front: 3),
        (
            {"rule": "lowest_error"},
            lambda front: min(range(len(front)), key=lambda i: (front[i].search_errors, front[i].size)),
        ),
        ({"size": 1}, lambda front: of_size(front, 1)),
        ({"at_most": {"bytes": 99.0}}, lambda front: within_limits(front, GOALS, {"bytes": 99.0})),
        ({"rule": "knee"}, lambda front: at_knee(front, ("error", "n_members", "bytes"))),
        ({"rule": "one_standard_error"}, within_one_standard_error),
    ],
)
def test_each_rule_is_the_one_asked_for(found, rule, function):
    assert pick(found.front, found.objectives, 3, **rule) == function(found.front)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"size": 3, "rule": "knee"}, "size, at_most and rule are one rule each; give one"),
        ({"size": 0, "at_most": {"bytes": 9.0}}, "size, at_most and rule are one rule each; give one"),
        ({"rule": "recommended", "at_most": {"bytes": 9.0}}, "size, at_most and rule are one rule each; give one"),
        (
            {"rule": "kneel"},
            r"no rule called 'kneel'\. Did you mean 'knee'\? There is knee, lowest_error, one_standard",
        ),
    ],
)
def test_what_is_no_rule_is_refused(found, rules, message):
    with pytest.raises(InputError, match=message):
        pick(found.front, found.objectives, 0, **rules)


def test_no_rule_looks_at_the_test_split(make_problem):
    found = run(make_problem(n_members=12), "nsga2", budget=2000)
    untested = tuple(replace(one, test=None, test_errors=None, n_test=None, comparisons={}) for one in found.front)
    blind = replace(found.front, ensembles=untested)
    for rule in ({"rule": "knee"}, {"rule": "one_standard_error"}, {"at_most": {"bytes": 99.0}}, {"size": 3}, {}):
        assert pick(found.front, found.objectives, 0, **rule) == pick(blind, found.objectives, 0, **rule)
