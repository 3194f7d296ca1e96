"""Hard limits: what breaks one is never on a front, and what is chosen is the best of what keeps all."""

import contextlib
from dataclasses import replace

import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.io.run_folder import read_run, write_run
from evo_ensyth.objectives import Objective
from evo_ensyth.search import selectors
from evo_ensyth.search.archive import dominates
from evo_ensyth.search.constraints import Bound, read_bounds
from evo_ensyth.search.evaluator import Evaluator, SearchOver
from evo_ensyth.search.run import run


@pytest.fixture
def make_bounded(make_problem):
    """A function that draws a problem within bounds."""

    def make(at_most=(), at_least=(), **settings):
        problem = make_problem(**settings)
        return problem.within(read_bounds(at_most, at_least, problem.pool))

    return make


def kept(problem, subset):
    """By hand, for the bounds that these tests set: bytes at most 90, recall of class 1 at least 0.7."""
    votes = problem.search
    answers = naive.plurality(subset, votes.y_pred, votes.n_classes)
    recall = np.mean(answers[votes.y_true == 1] == 1)
    return problem.pool.costs["bytes"][subset].sum() <= 90 and recall >= 0.7


def test_the_exact_front_is_that_of_what_keeps_the_bounds(make_bounded):
    problem = make_bounded(["bytes=90"], ["recall_of_class_1=0.7"])
    search = Evaluator(problem)
    selectors.load("exact").select(search, np.random.default_rng(0))
    inside = [subset for subset in naive.all_subsets(8) if kept(problem, subset)]
    assert 0 < len(inside) < 200
    votes = problem.search
    values = [(naive.errors(s, votes.y_pred, votes.y_true, 4) / votes.n_samples, s.sum()) for s in inside]
    assert sorted(map(tuple, search.front.values)) == naive.non_dominated(values)
    assert search.certified == []


@pytest.mark.parametrize("name", selectors.names())
def test_no_selector_has_anything_on_its_front_that_breaks_a_bound(name, make_bounded):
    problem = make_bounded(["bytes=90"], ["recall_of_class_1=0.7"], n_members=14)
    search = Evaluator(problem, budget=1500)
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(search, np.random.default_rng(1))
    assert all(kept(problem, subset) for subset in search.front.subsets)
    assert len(search.front) > 0 or name in ("single_best", "whole_pool")


@pytest.mark.parametrize("name", selectors.names())
@pytest.mark.parametrize("n_members", [3, 11])
def test_bounds_that_nothing_keeps_end_a_search_with_an_empty_front(name, n_members, make_bounded):
    search = Evaluator(make_bounded(["bytes=0"], n_members=n_members), budget=800)
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(search, np.random.default_rng(1))
    assert len(search.front) == 0
    assert search.hypervolume == 0
    assert search.history == []


def test_whoever_minimises_is_led_into_the_bounds(make_bounded):
    """What keeps them dominates what does not; of the others, the nearer one dominates."""
    problem = make_bounded(["bytes=60"])
    subsets = np.array(list(naive.all_subsets(8)))
    values = Evaluator(problem).evaluate(subsets)
    cost = np.where(subsets, problem.pool.costs["bytes"], 0).sum(axis=1)
    inside = cost <= 60
    assert_array_equal(values[inside], Evaluator(problem.within(())).evaluate(subsets[inside]))
    for row in np.flatnonzero(inside):
        assert dominates(values[row][None], values[~inside]).all()
    for row in np.flatnonzero(~inside):
        assert_array_equal(dominates(values[row][None], values[~inside]), cost[~inside] > cost[row])


def test_a_limit_itself_is_allowed(make_problem):
    """1 - 0.9 is a little less than 0.1; a bound must not say so."""
    problem = make_problem(n_members=1, n_samples=10, n_classes=2)
    truth = np.zeros(10, int)
    labels = np.ones((1, 10), int)
    labels[0, 0] = 0
    problem = replace(problem, pool=replace(problem.pool, search=replace(problem.search, y_pred=labels, y_true=truth)))
    for texts in (["accuracy=0.1"], ["recall_of_class_0=0.1"], ["error=0.9"], ["n_members=1"]):
        search = Evaluator(problem.within(read_bounds([], texts, problem.pool)))
        search.evaluate(np.ones((1, 1), bool))
        assert len(search.front) == 1
    search = Evaluator(problem.within(read_bounds([], ["accuracy=0.11"], problem.pool)))
    search.evaluate(np.ones((1, 1), bool))
    assert len(search.front) == 0


def test_excess_is_a_share_of_the_limit_and_never_overflows():
    cost = Objective("cost", lambda ensembles: ensembles.sizes)
    values = np.array([0.0, 2.0, 5.0, 1e300])
    assert_array_equal(Bound(cost, 2.0).excess(values), [0, 0, 1.5, 1e100])
    assert_array_equal(Bound(cost, 4.0, at_least=True).excess(values), [1, 0.5, 0, 0])
    assert_array_equal(Bound(cost, 0.0).excess(values), [0, 2, 5, 1e100])


def test_a_run_tells_its_bounds_and_proves_nothing(make_bounded, tmp_path):
    found = run(make_bounded(["bytes=90"], ["recall_of_class_1=0.7"]), "nsga2", against=["single_best"], budget=500)
    assert found.bounds == {"at_most": {"bytes": 90}, "at_least": {"recall_of_class_1": 0.7}}
    assert found.summary()["bounds"] == found.bounds
    assert found.bounds_in_words == "bytes at most 90, recall_of_class_1 at least 0.7"
    assert found.lowest_errors is None
    assert found.found.certified_sizes == ()
    write_run(found, tmp_path)
    assert read_run(tmp_path).bounds == found.bounds
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"at_least"', '"at_last"'))
    with pytest.raises(InputError, match="field 'bounds' holds at_most, at_last; expected at_most, at_least"):
        read_run(tmp_path)


def test_where_nothing_keeps_the_bounds_the_nearest_is_named(make_bounded):
    problem = make_bounded(["bytes=2"], ["n_members=1"], n_members=4)
    costs = problem.pool.costs["bytes"]
    cheapest = int(costs.argmin())
    message = (
        rf"none of the 15 .* keeps all bounds; nearest comes m{cheapest}: bytes is {costs.min()} \(bytes at most 2\)"
    )
    with pytest.raises(InputError, match=message):
        run(problem, "nsga2", against=["single_best"])


@pytest.mark.parametrize(
    ("at_most", "message"),
    [
        (["bytes"], r"'bytes' is no bound; write NAME=VALUE, such as n_members=5\."),
        (["bytes=many"], "'bytes=many' is no bound"),
        (["bytes=nan"], "the bound of 'bytes' is nan; it must be a finite number"),
        (["byte=3"], r"no objective called 'byte'. Did you mean 'bytes'\?"),
        (["bytes=3", "bytes = 4"], "'bytes' is bounded twice"),
    ],
)
def test_what_is_no_bound_is_refused(make_problem, at_most, message):
    with pytest.raises(InputError, match=message):
        read_bounds(at_most, [], make_problem().pool)


def test_the_command_line_takes_bounds(call, npz, arrays):
    path = npz(arrays)
    said = call("search", path, "--at-most", "latency=4", "--at-least", "accuracy=0.2", "--json")
    assert said.status == 0
    assert said.json["bounds"] == {"at_most": {"latency": 4}, "at_least": {"accuracy": 0.2}}
    assert all(arrays["cost_latency"][entry["indices"]].sum() <= 4 for entry in said.json["front"])
    said = call("search", path, "--at-most", "latency=4", "--budget", "40")
    assert "all of them keep to the bounds on the search split: latency at most 4" in said.out
    said = call("search", path, "--at-most", "latency=0.5", "--budget", "40")
    assert (said.status, said.out) == (2, "")
    assert "nearest comes bee: latency is 1 (latency at most 0.5)" in said.err
