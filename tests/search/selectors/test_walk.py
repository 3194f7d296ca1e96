"""Walks from neighbour to neighbour."""

import contextlib
import itertools

import naive
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator, SearchOver
from evo_ensyth.search.selectors import _walk
from evo_ensyth.search.selectors.nsga2 import Nsga2, _grown, _start
from evo_ensyth.voting.kernels import drawn
from evo_ensyth.voting.planes import Planes


@pytest.mark.parametrize("seed", range(5))
def test_a_step_takes_the_best_neighbour_that_does_not_rest(make_problem, monkeypatch, seed):
    monkeypatch.setattr(_walk, "REST", (2, 2))
    problem = make_problem(n_members=9, n_samples=80, seed=seed)
    votes = problem.search
    before = np.arange(9) % 3 == 0
    path = _walk.walk(Evaluator(problem), before, 25, np.random.default_rng(seed))
    assert len(path) == 25
    moved = []
    for after in path:
        (member,) = np.flatnonzero(before != after)
        candidates = [i for i in np.flatnonzero(before == before[member]) if i not in moved[-2:]]
        neighbours = [before ^ (np.arange(9) == i) for i in candidates or np.flatnonzero(before == before[member])]
        assert naive.errors(after, votes.labels, votes.truth, 4) == min(
            naive.errors(n, votes.labels, votes.truth, 4) for n in neighbours if n.any()
        )
        assert after.any()
        moved.append(member)
        before = after


@pytest.mark.parametrize("n_members", [2, 3])
def test_a_walk_stays_inside_tiny_pools(make_problem, n_members):
    path = _walk.walk(
        Evaluator(make_problem(n_members=n_members)), np.ones(n_members, bool), 40, np.random.default_rng(0)
    )
    assert len(path) == 40
    assert path.any(axis=1).all()


def test_a_walk_ends_before_a_step_that_its_budget_does_not_cover(make_problem):
    search = Evaluator(make_problem(n_members=20), budget=55)
    path = _walk.walk(search, np.arange(20) < 10, 40, np.random.default_rng(0))
    assert 1 < len(path) < 10
    assert 35 < search.spent <= 55


def test_walks_start_from_the_lowest_error_from_the_front_and_from_beside_it(make_problem, monkeypatch):
    lowest, on_the_front = [], []

    def recorded(search, steps, rng):
        subset = _start(search, steps, rng)
        errors = search.front.values[:, 0]
        on_the_front.append((search.front.subsets == subset).all(axis=1).any())
        lowest.append((subset == search.front.subsets[errors.argmin()]).all())
        return subset

    monkeypatch.setattr("evo_ensyth.search.selectors.nsga2._start", recorded)
    search = Evaluator(make_problem(n_members=30, n_samples=200))
    Nsga2(generations=300, patience=300, walk=5).select(search, np.random.default_rng(0))
    assert 0.3 < np.mean(lowest) < 0.5
    assert np.mean(lowest) + 0.15 < np.mean(on_the_front) < 0.85


def test_of_a_budget_children_get_at_least_a_third(make_problem, monkeypatch):
    children = []
    evaluate = Evaluator.evaluate
    monkeypatch.setattr(Evaluator, "evaluate", lambda self, some: children.append(len(some)) or evaluate(self, some))
    search = Evaluator(make_problem(n_members=60, n_samples=40), budget=60_000)
    with contextlib.suppress(SearchOver):
        Nsga2().select(search, np.random.default_rng(0))
    assert search.spent == 60_000
    assert 20_000 < sum(children) < 50_000


def test_without_the_error_among_the_objectives_the_first_of_them_leads(make_problem):
    """Of 20 members those with the fewest bytes stay, and join."""
    problem = make_problem(n_members=20, goals=("bytes", "macs"))
    path = _walk.walk(Evaluator(problem), np.ones(20, bool), 30, np.random.default_rng(0))
    dearest = problem.pool.costs["bytes"].argmax()
    assert not path[0, dearest]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alone", [True, False])
def test_a_leg_gives_the_best_neighbour_at_each_step_and_moves_as_chance_has_it(make_problem, monkeypatch, seed, alone):
    monkeypatch.setattr(Planes, "alone", alone)
    problem = make_problem(n_members=9, n_samples=80, seed=seed)
    here, joining = np.arange(9) % 3 == 0, seed % 2 == 0
    chances = np.random.default_rng(seed).random(30)
    best, end, joins_next = Evaluator(problem).warm_walk(here, joining, chances, 0.5)
    assert len(best) == 30
    for chance, lowest in zip(chances, best, strict=True):
        joining = (joining or here.sum() == 1) and here.sum() < 9
        neighbours = [here ^ (np.arange(9) == i) for i in np.flatnonzero(here != joining)]
        errors = np.array([naive.errors(n, problem.search.labels, problem.search.truth, 4) for n in neighbours])
        assert_array_equal(lowest, neighbours[errors.argmin()])
        weights = np.exp(-errors / (0.5 * errors.std())) if errors.std() else np.ones(len(errors))
        here = neighbours[np.count_nonzero(np.cumsum(weights) / weights.sum() < chance)]
        joining = not joining
    assert_array_equal(here, end)
    assert joining == joins_next


def test_a_cold_walk_takes_the_best_neighbour(make_problem):
    search = Evaluator(make_problem(n_members=12, n_samples=90))
    best, end, _ = search.warm_walk(np.arange(12) < 5, True, np.full(21, 0.5), 1e-9)
    assert search.evaluate(best[-1:])[0, 0] == search.evaluate(end[None])[0, 0]  # of equals any


def test_legs_follow_each_other(make_problem):
    """What two legs pass is what a single one of their length does."""
    search, start, chances = Evaluator(make_problem(n_members=12)), np.arange(12) < 5, np.linspace(0, 0.9, 20)
    whole, end, _ = search.warm_walk(start, True, chances, 0.4)
    first, middle, joining = search.warm_walk(start, True, chances[:7], 0.4)
    second, same_end, _ = search.warm_walk(middle, joining, chances[7:], 0.4)
    assert_array_equal(np.concatenate([first, second]), whole)
    assert_array_equal(same_end, end)
    assert_array_equal(start, np.arange(12) < 5)


def test_both_ways_to_walk_are_the_same_walk(make_problem, monkeypatch):
    problem = make_problem(n_members=40, n_samples=300)
    walked = []
    for alone in (True, False):
        monkeypatch.setattr(Planes, "alone", alone)
        search = Evaluator(problem, budget=5_000)
        path = list(itertools.islice(_walk.warm_walk(search, np.arange(40) < 20, 30, np.random.default_rng(3)), 9))
        walked.append((np.concatenate(path), search.spent))
    assert_array_equal(walked[0][0], walked[1][0])
    assert walked[0][1] == walked[1][1]


@pytest.mark.parametrize("n_members", [2, 3])
def test_a_warm_walk_stays_inside_tiny_pools(make_problem, n_members):
    search = Evaluator(make_problem(n_members=n_members))
    path = next(_walk.warm_walk(search, np.ones(n_members, bool), 40, np.random.default_rng(0)))
    assert len(path) == 40
    assert path.any(axis=1).all()


@pytest.mark.parametrize("alone", [True, False])
def test_a_warm_walk_ends_before_a_step_that_its_budget_does_not_cover(make_problem, monkeypatch, alone):
    monkeypatch.setattr(Planes, "alone", alone)
    search = Evaluator(make_problem(n_members=20), budget=55)
    legs = list(_walk.warm_walk(search, np.arange(20) < 10, 4, np.random.default_rng(0)))
    assert [len(leg) for leg in legs] == [4, 1]
    assert 35 < search.spent <= 55


def test_where_all_neighbours_are_alike_each_may_move():
    assert [drawn(np.full(4, 0.25), chance, 0.3) for chance in (0.0, 0.3, 0.6, 0.99)] == [0, 1, 2, 3]


def test_walks_become_longer_once_the_front_stands_still(make_problem, monkeypatch):
    """Walks do not get a larger share of the time by that: there are fewer of them."""
    legs = []

    def recorded(*arguments):
        legs.append(0)
        for leg in _walk.warm_walk(*arguments):
            legs[-1] += 1
            yield leg

    monkeypatch.setattr("evo_ensyth.search.selectors.nsga2.warm_walk", recorded)
    search = Evaluator(make_problem(n_members=20, n_samples=60))
    Nsga2(generations=900, patience=900, walk=10).select(search, np.random.default_rng(0))
    walked = [n for n in legs if n]
    assert walked[0] == 1
    assert max(walked) > 4
    assert 450 < sum(walked) < 1_350


def test_a_warm_walk_starts_with_up_to_half_as_many_members_more():
    start = np.arange(30) < 10
    grown = np.array([_grown(start, np.random.default_rng(seed)) for seed in range(200)])
    assert (grown & start == start).all()
    assert set(grown.sum(axis=1)) == set(range(10, 16))
    assert grown.any(axis=0).all()
    assert_array_equal(_grown(np.ones(4, bool), np.random.default_rng(0)), np.ones(4, bool))


def test_walks_can_be_left_out(make_problem, monkeypatch):
    monkeypatch.setattr("evo_ensyth.search.selectors._course.walk_baselines", lambda search, rng: None)
    monkeypatch.setattr(Evaluator, "neighbour_values", lambda *arguments: pytest.fail("somebody walked"))
    Nsga2(generations=5, walk=0).select(Evaluator(make_problem(n_members=20)), np.random.default_rng(0))


def test_a_walk_cannot_have_less_than_no_steps():
    with pytest.raises(InputError, match=r"a walk has -1 steps; give it 0 or more\."):
        Nsga2(walk=-1)
