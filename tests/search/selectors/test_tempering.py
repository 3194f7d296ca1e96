"""Parallel tempering: steps drawn as they should be, places exchanged as they should be, and what comes of it."""

import itertools
import math
from dataclasses import replace

import naive
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from evo_ensyth.objectives.error import error
from evo_ensyth.objectives.n_members import n_members
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.search.evaluator import Evaluator, SearchOver
from evo_ensyth.search.problem import Problem
from evo_ensyth.search.selectors import _tempering
from evo_ensyth.search.selectors._tempering import Ladder, Tempering, _resized, sizes_in_mind, wander
from evo_ensyth.search.selectors.nsga2 import Nsga2
from evo_ensyth.voting.kernels import HOPELESS, REST, drawn
from evo_ensyth.voting.planes import Leg


def ways(problem):
    """The same problem judged by the compiled walk over errors, and by the one over any criterion."""
    return problem, problem.with_objectives((replace(error, name="misses"), *problem.objectives[1:]))


def by_definition(problem, subset, rests, penalty, temperature, chances):
    """What a leg should be, by loops: where it ends, who rests, and what it tells."""
    n = problem.search.n_samples
    best, energies, deviations, counted = {}, [], [], 0
    for chance in chances:
        leaving = [i for i in np.flatnonzero(subset) if subset.sum() > 1]
        movers = leaving + [i for i in np.flatnonzero(~subset) if rests[i] == 0]
        counted += len(movers)
        rests = np.maximum(rests - 1, 0)
        neighbours = [subset ^ (np.arange(len(subset)) == i) for i in movers]
        errors = [naive.errors(one, problem.search.labels, problem.search.truth, 4) / n for one in neighbours]
        for one, value in zip(neighbours, errors, strict=True):
            if np.isfinite(penalty[one.sum()]) and value < best.get(one.sum(), (2.0,))[0]:
                best[one.sum()] = value, one
        deviations.append(np.std(errors[: len(leaving)]) if leaving else 0.0)
        penalised = np.array([value + penalty[one.sum()] for one, value in zip(neighbours, errors, strict=True)])
        weights = np.exp((penalised.min() - penalised) / temperature)
        for i, value in zip(movers, errors, strict=True):
            if i not in leaving and value > min(errors[len(leaving) :]) + HOPELESS * temperature:
                rests[i] = REST - 1
        chosen = np.count_nonzero(np.cumsum(weights) / weights.sum() < chance)
        energies.append(penalised[chosen])
        subset = neighbours[chosen]
        rests[movers[chosen]] = 0
    return subset, rests, best, sum(energies[-2:]), np.mean(deviations), counted


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("temperature", [0.004, 0.05])
def test_a_leg_is_what_its_definition_says(make_problem, seed, way, temperature):
    """Also where sizes are barred, where members rest, and from one leg to the next."""
    problem = make_problem(n_members=11, n_samples=90, seed=seed)
    rng = np.random.default_rng(seed)
    penalty = 0.01 * (np.arange(12) - 4.0) ** 2
    penalty[[0, 8, 9, 10, 11]] = np.inf
    penalty[: 1 + seed % 3] = np.inf
    here, rests = np.arange(11) % 3 == 0, np.zeros(11, np.int64)
    expected_here, expected_rests = here.copy(), rests.copy()
    search = Evaluator(ways(problem)[way])
    rested = False
    for _ in range(3):
        chances = rng.random(40)
        chances[::9] = 1 - 1e-12  # takes also who has hardly a chance
        leg = wander(search, here, rests, penalty, temperature, chances)
        expected_here, expected_rests, best, energy, deviation, counted = by_definition(
            problem, expected_here, expected_rests, penalty, temperature, chances
        )
        assert_array_equal(here, expected_here)
        assert_array_equal(rests, expected_rests)
        assert leg.sizes.tolist() == sorted(best)
        assert_array_equal(leg.values, [best[size][0] for size in sorted(best)])
        assert_array_equal(leg.subsets, [best[size][1] for size in sorted(best)])
        assert_allclose([leg.energy, leg.deviation], [energy, deviation], rtol=1e-12)
        assert leg.n_steps == 40
        assert leg.n_neighbours == counted
        rested |= rests.any()
    assert rested == (temperature < 0.01)


def test_what_leads_in_the_whole_pool_may_lose_in_a_small_subset():
    """Nine of twelve name the truth of all samples, a lead of six; where only one of these is left, all are wrong."""
    truth = np.ones(700, np.int64)
    labels = np.ones((12, 700), np.int64)
    labels[9:] = 0
    problem = Problem("led", Pool(tuple("abcdefghijkl")), Votes(labels, truth, 2, "search"), None, (error, n_members))
    here = np.array([0] * 8 + [1] * 4, bool)
    penalty = np.where(np.arange(13) < 4, np.inf, 0.0)
    leg = wander(Evaluator(problem), here, np.zeros(12, np.int64), penalty, 1.0, np.full(1, 0.0))
    assert leg.sizes.tolist() == [5]
    assert leg.values.tolist() == [1.0]


@pytest.mark.parametrize(("n_members", "n_samples"), [(2, 1), (3, 513), (64, 511), (65, 1_200), (1_025, 40)])
def test_a_leg_tells_the_errors_that_its_subsets_have(make_problem, n_members, n_samples):
    problem = make_problem(n_members=n_members, n_samples=n_samples)
    here, rests, penalty = np.arange(n_members) % 2 == 0, np.zeros(n_members, np.int64), np.zeros(n_members + 1)
    penalty[0] = np.inf
    for seed in range(3):
        leg = wander(Evaluator(problem), here, rests, penalty, 0.01, np.random.default_rng(seed).random(50))
        assert len(leg.sizes) > 1
        assert_array_equal(leg.subsets.sum(axis=1), leg.sizes)
        assert_array_equal(problem.on_search(leg.subsets).error_rate, leg.values)


@pytest.mark.parametrize("way", [0, 1])
def test_a_single_member_cannot_leave(make_problem, way):
    search = Evaluator(ways(make_problem(n_members=9))[way])
    leg = wander(search, np.arange(9) < 1, np.zeros(9, np.int64), np.zeros(10), 1.0, np.full(1, 0.5))
    assert leg.n_neighbours == 8
    assert leg.sizes.tolist() == [2]
    assert leg.deviation == 0


@pytest.mark.parametrize("way", [0, 1])
def test_subsets_are_met_as_often_as_detailed_balance_has_it(make_problem, way):
    """A walk whose edges weigh as much as the Boltzmann weights of both ends meets a subset by the sum of its edges."""
    problem = make_problem(n_members=5, n_samples=60)
    subsets = np.array(list(naive.all_subsets(5)))
    errors = np.array([naive.errors(one, problem.search.labels, problem.search.truth, 4) / 60 for one in subsets])
    temperature = 0.08
    penalty = np.array([np.inf, 0.05, 0.0, 0.02, 0.1, 0.03])
    weights = np.exp(-(errors + penalty[subsets.sum(axis=1)]) / temperature)
    apart = (subsets[:, None] != subsets[None]).sum(axis=2)
    expected = (weights[:, None] * weights * (apart == 1)).sum(axis=1)
    search = Evaluator(ways(problem)[way])
    here, rests = subsets[0].copy(), np.zeros(5, np.int64)
    code = subsets @ (1 << np.arange(5))
    met = np.zeros(32)
    for chance in np.random.default_rng(1).random(12_000):
        wander(search, here, rests, penalty, temperature, np.array([chance]))
        met[here @ (1 << np.arange(5))] += 1
        rests[:] = 0
    assert_allclose(met[code] / met.sum(), expected / expected.sum(), atol=0.012)


@pytest.mark.parametrize("way", [0, 1])
def test_a_leg_ends_before_a_step_that_its_budget_does_not_cover(make_problem, way):
    search = Evaluator(ways(make_problem(n_members=20))[way], budget=50)
    leg = wander(search, np.arange(20) < 10, np.zeros(20, np.int64), np.zeros(21), 1.0, np.full(4, 0.5))
    assert leg.n_steps == 2
    assert leg.n_neighbours == search.spent == 40


@pytest.mark.parametrize("way", [0, 1])
def test_no_leg_begins_once_the_search_is_over(make_problem, way):
    search = Evaluator(ways(make_problem(n_members=20))[way])
    search.stop()
    with pytest.raises(SearchOver):
        wander(search, np.arange(20) < 10, np.zeros(20, np.int64), np.zeros(21), 1.0, np.full(4, 0.5))


def test_where_all_are_alike_each_may_move():
    assert [drawn(np.full(4, 0.25), 0.3, chance) for chance in (0.0, 0.3, 0.6, 0.99)] == [0, 1, 2, 3]


def test_what_is_barred_is_never_drawn():
    values = np.array([np.inf, 1.0, np.inf, 2.0, np.inf])
    assert {int(drawn(values, 5.0, chance)) for chance in np.linspace(0, 0.99, 50)} == {1, 3}


def test_ladders_stand_at_sizes_that_grow_by_a_third_and_one_is_larger_than_the_best():
    assert sizes_in_mind(27, 100) == [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36]
    assert sizes_in_mind(28, 100) == [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48]
    assert sizes_in_mind(28, 47) == sizes_in_mind(27, 100)
    assert sizes_in_mind(1, 100) == [1, 2]
    assert sizes_in_mind(1, 1) == [1]


def told(monkeypatch, energies):
    """Let legs say what energies they ended with, and mark where each rung was."""
    energies = itertools.cycle(energies)
    temperatures = []

    def leg(search, subset, rests, penalty, temperature, chances):
        temperatures.append((temperature, int(np.flatnonzero(rests)[0]) if rests.any() else None))
        rests[:] = 0
        rests[len(temperatures) - 1 if len(temperatures) <= 4 else temperatures[-1][1]] = 1
        nothing = np.zeros((0, len(subset)), bool)
        return Leg(np.zeros(0, np.int64), np.zeros(0), nothing, next(energies), 0.1, len(chances), 0)

    monkeypatch.setattr(_tempering, "wander", leg)
    return temperatures


@pytest.mark.parametrize(
    ("energies", "order"),
    [
        ([4.0, 3.0, 2.0, 1.0], [3, 0, 1, 2]),  # what is best comes down at once
        ([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3]),
        ([1.0, 2.0, 9.0, 4.0], [0, 1, 3, 2]),
    ],
)
def test_the_lower_energy_goes_to_the_colder_rung(make_problem, monkeypatch, energies, order):
    search = Evaluator(make_problem(n_members=20))
    ladder = Ladder(search, 8, np.arange(20) < 8)
    temperatures = told(monkeypatch, energies)
    for _ in range(2):
        ladder.climb(search, 40, np.random.default_rng(0))
    assert [where for _, where in temperatures[4:]] == order
    assert_allclose([one for one, _ in temperatures[4:]], 0.1 * _tempering.WARMTHS)


def test_a_little_higher_energy_comes_down_now_and_then(make_problem, monkeypatch):
    """With the probability of Metropolis: exp of the difference of energies times that of the inverse temperatures."""
    search = Evaluator(make_problem(n_members=20))
    monkeypatch.setattr(_tempering, "WARMTHS", np.array([0.4, 0.6]))
    moved = []
    for seed in range(400):
        ladder = Ladder(search, 8, np.arange(20) < 8)
        unit = ladder.coldest / 0.4
        with monkeypatch.context() as patched:
            temperatures = told(patched, [0.0, unit])
            patched.setattr(Ladder, "_unit", unit, raising=False)
            first = ladder._rungs[0]
            ladder.climb(search, 40, np.random.default_rng(seed))
        assert len(temperatures) == 2
        moved.append(ladder._rungs[0] is not first)
    assert abs(np.mean(moved) - math.exp(-(1 / 0.4 - 1 / 0.6))) < 0.06


def test_a_ladder_keeps_near_its_size(make_problem):
    search = Evaluator(make_problem(n_members=60, n_samples=200))
    ladder = Ladder(search, 20, np.arange(60) < 20)
    rng = np.random.default_rng(0)
    sizes = np.concatenate([ladder.climb(search, 80, rng).sum(axis=1) for _ in range(40)])
    width = 20 / 7
    assert 20 - 4 * width <= sizes.min() < 18
    assert 22 < sizes.max() <= 20 + 4 * width


def test_two_thirds_of_the_climbs_go_where_the_lowest_was_met(make_problem, monkeypatch):
    search = Evaluator(make_problem(n_members=60, n_samples=200))
    search.evaluate(np.array([np.arange(60) < 3, np.arange(60) < 30]))
    climbed = []

    def climb(self, search, n_steps, rng):
        climbed.append(int(np.flatnonzero(self._penalty == 0)[0]))
        self.lowest = 0.1 if climbed[-1] == 6 else 0.9
        return np.zeros((0, 60), bool)

    monkeypatch.setattr(Ladder, "climb", climb)
    tempering, rng = Tempering(), np.random.default_rng(0)
    largest = max(np.count_nonzero(search.front.subsets, axis=1))
    sizes = sizes_in_mind(int(largest), 60)
    for _ in range(len(sizes) + 2_000):
        tempering.climb(search, 40, rng)
    assert climbed[: len(sizes)] == sizes  # each once
    counts = {size: climbed[len(sizes) :].count(size) / 2_000 for size in sizes}
    assert 0.66 < counts[6] < 0.76
    assert counts[sizes[-1]] > 2 * counts[2] > 0


def test_what_a_climb_met_is_the_best_of_all_its_walks(make_problem, monkeypatch):
    search = Evaluator(make_problem(n_members=60, n_samples=2_000))
    legs = []
    monkeypatch.setattr(_tempering, "wander", lambda *arguments: legs.append(wander(*arguments)) or legs[-1])
    ladder = Ladder(search, 5, np.arange(60) < 5)
    found = ladder.climb(search, 80, np.random.default_rng(0))
    assert len(legs) == 4
    lowest = {}
    for leg in legs:
        for size, value in zip(leg.sizes, leg.values, strict=True):
            lowest[size] = min(value, lowest.get(size, 2.0))
    assert len({leg.values.min() for leg in legs}) > 1
    assert {int(size): value for value, size in search.evaluate(found)} == lowest
    assert ladder.lowest == min(lowest.values())
    monkeypatch.setattr(_tempering, "wander", lambda *_: replace(legs[0], values=legs[0].values + 1))
    ladder.climb(search, 80, np.random.default_rng(0))
    assert ladder.lowest == min(lowest.values())


def test_tempering_begins_once_the_front_stands_still_and_its_climbs_become_longer(make_problem, monkeypatch):
    steps, still = [], []
    climb = Tempering.climb

    def recorded(self, search, n_steps, rng):
        steps.append(n_steps)
        still.append(search.spent - search.history[-1].evaluations)
        return climb(self, search, n_steps, rng)

    monkeypatch.setattr(Tempering, "climb", recorded)
    search = Evaluator(make_problem(n_members=20, n_samples=60))
    Nsga2(generations=900, patience=900, walk=10, enumerate=0).select(search, np.random.default_rng(0))
    assert still[0] >= 20 * 10 * 10
    assert 10 <= steps[0] < 160
    assert steps == sorted(steps)
    assert steps[-1] == 160


@pytest.mark.parametrize("way", [0, 1])
def test_tempering_alone_finds_the_best_of_all_subsets_from_anywhere(make_problem, way):
    problem = ways(make_problem(n_members=14, n_samples=500, seed=5))[way]
    lowest = problem.on_search(np.array(list(naive.all_subsets(14)))).error_rate.min()
    for seed in range(3):
        search, rng = Evaluator(problem), np.random.default_rng(seed)
        search.evaluate(rng.permutation(14)[None] < 3)
        tempering = Tempering()
        for _ in range(60):
            search.evaluate(tempering.climb(search, 100, rng))
        assert search.front.values[:, 0].min() == lowest


@pytest.mark.parametrize("size", [1, 2, 20])
def test_a_ladder_stands_also_at_one_member_and_at_all(make_problem, size):
    """Its unit is how much neighbours differ, for which a single member cannot leave."""
    problem = make_problem(n_members=20)
    for way in ways(problem):
        search = Evaluator(way)
        start = np.arange(20) < size
        ladder = Ladder(search, size, start)
        neighbours = [start ^ (np.arange(20) == i) for i in range(20) if start[i] == (size > 1)]
        errors = problem.on_search(np.array(neighbours)).error_rate
        assert_allclose(ladder.coldest, _tempering.WARMTHS[0] * max(errors.std(), 1 / 120))
        assert ladder.climb(search, 200, np.random.default_rng(0)).any(axis=1).all()


@pytest.mark.parametrize("size", [1, 4, 7, 12])
def test_a_ladder_starts_from_a_subset_of_its_size_that_is_like_one_of_the_front(size):
    start = np.arange(12) % 2 == 0  # six of them
    for seed in range(20):
        resized = _resized(start, size, np.random.default_rng(seed))
        assert resized.sum() == size
        assert not (resized & ~start).any() or not (start & ~resized).any()
