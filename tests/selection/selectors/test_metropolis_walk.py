"""Walks at a temperature: steps drawn as they should be, by every way of counting, and what comes of them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import votes as naive
from oracles import walks as slow

from evo_ensyth.engine import BitPlanes
from evo_ensyth.engine.kernels.bits import WORDS
from evo_ensyth.objectives.error import error
from evo_ensyth.objectives.n_members import n_members as number_of_members
from evo_ensyth.objectives.smoothed_error import smoothed_error
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.selectors.evolutionary import _metropolis_walk, nsga2
from evo_ensyth.selection.selectors.evolutionary._metropolis_kernel import (
    HOPELESS,
    REST,
    draw_boltzmann,
    moves_to_a_tie,
)
from evo_ensyth.selection.selectors.evolutionary._metropolis_walk import (
    MetropolisWalks,
    Walk,
    WalkLeg,
    _resized,
    best_up_to_each_size,
    metropolis_walk,
    sizes_in_mind,
)
from evo_ensyth.selection.selectors.evolutionary._tabu_walk import tabu_walk
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2


def ways(problem):
    """The same problem for the compiled walk by errors, and for the walk by any guiding objective."""
    return problem, problem.with_objectives((replace(error, name="misses"), *problem.objectives[1:]))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", [0, 1])
@pytest.mark.parametrize("temperature", [0.004, 0.3])
def test_a_walk_is_what_its_definition_says(make_problem, seed, way, temperature):
    """Also where sizes are barred, where members are hopeless, and from one walk to the next."""
    problem = make_problem(n_members=11, n_samples=90, seed=seed)
    rng = np.random.default_rng(seed)
    penalty = 0.01 * (np.arange(12) - 4.0) ** 2
    penalty[[0, 8, 9, 10, 11]] = np.inf
    penalty[: 1 + seed % 3] = np.inf
    here = np.arange(11) % 3 == 0
    expected_here = here.copy()
    search = Evaluator(ways(problem)[way])
    some_hopeless = False
    for _ in range(2):
        chances = rng.random(2 * REST + 5)
        chances[::9] = 1 - 1e-12  # takes also who has hardly a chance
        walked = metropolis_walk(search, here, penalty, temperature, chances)
        expected_here, best, deviation, counted, hopeless = slow.metropolis_walk(
            problem.search, expected_here, penalty, temperature, chances, rest=REST, hopeless_above=HOPELESS
        )
        assert_array_equal(here, expected_here)
        assert walked.sizes.tolist() == sorted(best)
        assert_array_equal(walked.values, [best[size][0] for size in sorted(best)])
        assert_array_equal(walked.subsets, [best[size][1] for size in sorted(best)])
        assert_allclose(walked.deviation, deviation, rtol=1e-12)
        assert walked.n_steps == 2 * REST + 5
        assert walked.n_neighbours == counted
        some_hopeless |= hopeless
    assert some_hopeless == (temperature < 0.01)


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_is_what_its_definition_says_where_members_do_not_answer(make_problem, seed):
    problem = make_problem(n_members=9, n_samples=140, seed=seed)
    rng = np.random.default_rng(seed)
    labels = naive.silenced(rng, problem.search.y_pred, 0.4 + 0.2 * seed)
    problem = replace(problem, pool=replace(problem.pool, search=Votes(labels, problem.search.y_true, 4, "search")))
    penalty = np.where(np.arange(10) < 1, np.inf, 0.0)
    here, chances = np.arange(9) % 3 == 0, rng.random(3 * REST)
    expected_here, best, _, counted, _ = slow.metropolis_walk(
        problem.search, here.copy(), penalty, 0.1, chances, rest=REST, hopeless_above=HOPELESS
    )
    walked = metropolis_walk(Evaluator(problem), here, penalty, 0.1, chances)
    assert_array_equal(here, expected_here)
    assert_array_equal(walked.values, [best[size][0] for size in sorted(best)])
    assert_array_equal(walked.subsets, [best[size][1] for size in sorted(best)])
    assert walked.n_neighbours == counted


@pytest.mark.parametrize(("n_members", "seed"), [(2, 0), (3, 1), (11, 2), (20, 3)])
@pytest.mark.parametrize("temperature", [0.003, 0.3])
def test_the_compiled_walk_by_the_smoothed_error_is_that_of_any_objective(make_problem, n_members, seed, temperature):
    problem = make_problem(n_members=n_members, n_samples=700, seed=seed, goals=None)
    plain = problem.with_objectives((replace(smoothed_error, name="mine", estimates="error"), *problem.objectives[1:]))
    penalty = 0.001 * np.arange(n_members + 1)
    penalty[0] = np.inf
    penalty[9:] = np.inf
    chances = np.random.default_rng(seed).random(3 * REST)
    ends, legs, paths = [], [], []
    for asked in (problem, plain):
        search, here = Evaluator(asked, Budget(4000)), np.arange(n_members) % 2 == 0
        assert (search.smoothed_planes is not None) == (asked is problem)
        legs.append(metropolis_walk(search, here, penalty, temperature, chances))
        ends.append(here)
        paths.append(tabu_walk(search, here, 60, np.random.default_rng(seed)))
    assert_array_equal(*ends)
    assert_array_equal(*paths)
    one, other = legs
    assert_array_equal(one.sizes, other.sizes)
    assert_array_equal(one.values, other.values)
    assert_array_equal(one.subsets, other.subsets)
    assert_allclose(one.deviation, other.deviation, rtol=1e-12)
    assert (one.n_steps, one.n_neighbours) == (other.n_steps, other.n_neighbours)


@pytest.mark.parametrize("most", [0, 3, 40, 41, 400])
def test_a_compiled_tabu_walk_ends_where_its_budget_does(make_problem, most):
    problem = make_problem(n_members=9, goals=None)
    search = Evaluator(problem, Budget(most or 1))
    if not most:
        search.budget.spend(1)
        with pytest.raises(SearchOver):
            tabu_walk(search, np.arange(9) < 4, 30, np.random.default_rng(0))
        return
    path = tabu_walk(search, np.arange(9) < 4, 30, np.random.default_rng(0))
    assert search.budget.n_evaluations <= most
    assert len(path) == 30 or search.budget.remaining < 9


def test_what_leads_in_the_whole_pool_may_lose_in_a_small_subset():
    """Nine of twelve name the truth of all samples, a lead of six; where only one of these is left, all are wrong."""
    truth = np.ones(700, np.int64)
    labels = np.ones((12, 700), np.int64)
    labels[9:] = 0
    problem = Problem(
        Pool(Members(tuple("abcdefghijkl")), Votes(labels, truth, 2, "search")), (error, number_of_members)
    )
    here = np.array([0] * 8 + [1] * 4, bool)
    penalty = np.where(np.arange(13) < 4, np.inf, 0.0)
    walked = metropolis_walk(Evaluator(problem), here, penalty, 1.0, np.full(1, 0.0))
    assert walked.sizes.tolist() == [5]
    assert walked.values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("n_members", "n_samples"), [(2, 1), (3, 513), (64, 511), (65, 1_200), (40, 6_000), (1_025, 40)]
)
def test_a_walk_reports_the_errors_that_its_subsets_have(make_problem, n_members, n_samples):
    """Also where some samples stay far from a tie for many moves."""
    problem = make_problem(n_members=n_members, n_samples=n_samples)
    here, penalty = np.arange(n_members) % 2 == 0, np.zeros(n_members + 1)
    penalty[0] = np.inf
    for seed in range(3):
        walked = metropolis_walk(Evaluator(problem), here, penalty, 0.01, np.random.default_rng(seed).random(150))
        assert len(walked.sizes) > 1
        assert_array_equal(walked.subsets.sum(axis=1), walked.sizes)
        assert_array_equal(problem.on_search(walked.subsets).error_rate, walked.values)


def test_near_the_whole_pool_some_samples_are_settled(make_problem):
    """Where the whole pool's lead is larger than who is left out, who is wrong stays wrong."""
    problem = make_problem(n_members=40, n_samples=3_000)
    labels = problem.search.y_pred.copy()
    labels[:35, :600] = (problem.search.y_true[:600] + 1) % 4
    problem = replace(problem, pool=replace(problem.pool, search=Votes(labels, problem.search.y_true, 4, "search")))
    penalty = np.where(np.arange(41) < 38, np.inf, 0.0)
    planes = BitPlanes.of(problem.search)
    assert planes.lost[planes.closest > 40 - 38 + 1].sum() > 0
    walked = metropolis_walk(Evaluator(problem), np.arange(40) > 0, penalty, 0.01, np.random.default_rng(0).random(70))
    assert walked.sizes.tolist() == [38, 39, 40]
    assert_array_equal(problem.on_search(walked.subsets).error_rate, walked.values)


@pytest.mark.parametrize("way", [0, 1])
def test_the_last_member_never_leaves(make_problem, way):
    """No objective is asked about an empty ensemble."""

    def of_some(ensembles):
        assert ensembles.subsets.any(axis=1).all()
        return ensembles.error_rate

    problem, other = ways(make_problem(n_members=9))
    other = other.with_objectives((replace(other.objectives[0], evaluate=of_some), *other.objectives[1:]))
    search = Evaluator((problem, other)[way])
    here = np.arange(9) < 1
    walked = metropolis_walk(search, here, np.where(np.arange(10) < 1, np.inf, 0.0), 1.0, np.full(1, 0.0))
    assert walked.sizes.tolist() == [2]
    assert here.sum() == 2
    assert walked.deviation == 0


@pytest.mark.parametrize("way", [0, 1])
def test_subsets_are_met_as_often_as_detailed_balance_has_it(make_problem, way):
    """A walk whose edges weigh as much as the Boltzmann weights of both ends meets a subset by the sum of its edges."""
    problem = make_problem(n_members=5, n_samples=60)
    subsets = np.array(list(naive.all_subsets(5)))
    errors = np.array([naive.errors(one, problem.search.y_pred, problem.search.y_true, 4) / 60 for one in subsets])
    temperature = 0.08
    penalty = np.array([np.inf, 0.05, 0.0, 0.02, 0.1, 0.03])
    weights = np.exp(-(errors + penalty[subsets.sum(axis=1)]) / temperature)
    apart = (subsets[:, None] != subsets[None]).sum(axis=2)
    expected = (weights[:, None] * weights * (apart == 1)).sum(axis=1)
    search = Evaluator(ways(problem)[way])
    here = subsets[0].copy()
    code = subsets @ (1 << np.arange(5))
    met = np.zeros(32)
    for chance in np.random.default_rng(1).random(12_000):
        metropolis_walk(search, here, penalty, temperature, np.array([chance]))
        met[here @ (1 << np.arange(5))] += 1
    assert_allclose(met[code] / met.sum(), expected / expected.sum(), atol=0.012)


@pytest.mark.parametrize("way", [0, 1])
def test_a_walk_ends_before_a_step_that_its_budget_does_not_cover(make_problem, way):
    search = Evaluator(ways(make_problem(n_members=20))[way], Budget(50))
    walked = metropolis_walk(search, np.arange(20) < 10, np.zeros(21), 1.0, np.full(4, 0.5))
    assert walked.n_steps == 2
    assert walked.n_neighbours == search.budget.n_evaluations == 40


@pytest.mark.parametrize("way", [0, 1])
def test_no_leg_begins_once_the_search_is_over(make_problem, way):
    search = Evaluator(ways(make_problem(n_members=20))[way])
    search.budget.stop()
    with pytest.raises(SearchOver):
        metropolis_walk(search, np.arange(20) < 10, np.zeros(21), 1.0, np.full(4, 0.5))


def test_where_all_are_alike_each_may_move():
    assert [draw_boltzmann(np.full(4, 0.25), 0.3, chance) for chance in (0.0, 0.3, 0.6, 0.99)] == [0, 1, 2, 3]


def test_what_is_barred_is_never_drawn():
    values = np.array([np.inf, 1.0, np.inf, 2.0, np.inf])
    assert {int(draw_boltzmann(values, 5.0, chance)) for chance in np.linspace(0, 0.99, 50)} == {1, 3}


@pytest.mark.parametrize("n_bits", [4, 6])
def test_a_unit_is_looked_at_before_a_vote_can_change_it(n_bits):
    """After fewer moves than that, no further one changes a sample; after as many, one might, up to a power of two."""
    rng = np.random.default_rng(n_bits)
    different = set()
    for trial in range(300):
        n_slots = 2 + trial % 3
        votes = rng.integers(0, 2**n_bits, n_slots)
        votes[0] = min(max(votes[1:].max() + rng.integers(-9, 10), 0), 2**n_bits - 1)
        loses = rng.integers(0, 2, n_slots)
        counters, ties = np.zeros(n_slots * n_bits * WORDS, np.uint64), np.zeros(n_slots * WORDS, np.uint64)
        for slot in range(n_slots):
            ties[slot * WORDS : (slot + 1) * WORDS] = ~np.uint64(0) if loses[slot] else 0
            for bit in range(n_bits):
                at = (slot * n_bits + bit) * WORDS
                counters[at : at + WORDS] = ~np.uint64(0) if votes[slot] >> bit & 1 else 0
        expected = slow.moves_to_a_tie(votes, loses, 2**n_bits)
        moves = moves_to_a_tie(counters, 0, ties, 0, n_slots, n_bits)
        assert moves == expected, (votes, loses)
        different.add(moves)
    assert len(different) >= 4


def test_walks_stand_at_sizes_that_grow_by_half_and_one_is_larger_than_the_best():
    assert sizes_in_mind(27, 100) == [1, 2, 3, 5, 8, 12, 18, 27, 41]
    assert sizes_in_mind(28, 100) == [1, 2, 3, 5, 8, 12, 18, 27, 41, 62]
    assert sizes_in_mind(28, 61) == sizes_in_mind(27, 100)
    assert sizes_in_mind(1, 100) == [1, 2]
    assert sizes_in_mind(1, 1) == [1]


def test_sizes_are_levelled_by_the_best_up_to_each():
    level = best_up_to_each_size(np.array([5, 2, 3, 2]), np.array([0.1, 0.4, 0.45, 0.3]), 7)
    assert level.tolist() == [0.3, 0.3, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1]


def test_a_walk_keeps_near_its_size(make_problem):
    search = Evaluator(make_problem(n_members=90, n_samples=200))
    rng = np.random.default_rng(0)
    met = {}
    for size in (12, 45):
        a_walk = Walk(search, size, np.arange(90) < size)
        met[size] = np.concatenate([a_walk.walk(search, 80, np.zeros(91), rng).sizes for _ in range(40)])
        assert size / 3 <= met[size].min() < size < met[size].max() <= size * 5 / 3
    assert met[12].mean() < 20
    assert 35 < met[45].mean() < 55


def test_a_walk_without_a_level_goes_where_the_objective_leads(make_problem):
    """All sizes within reach cost nothing: where subsets are all alike, most of them are of half the pool."""
    problem = make_problem(n_members=90, n_samples=200)
    alike = replace(error, name="alike", evaluate=lambda ensembles: np.full(len(ensembles.subsets), 0.5))
    search = Evaluator(problem.with_objectives((alike, *problem.objectives[1:])))
    sizes = {}
    for level in (None, np.zeros(91)):
        a_walk, rng = Walk(search, 20, np.arange(90) < 20), np.random.default_rng(0)
        legs = [(a_walk.walk(search, 40, level, rng).sizes.max(), a_walk.subset.sum()) for _ in range(40)]
        sizes[level is None] = np.array(legs[4:])
    assert sizes[True][:, 0].max() == 33  # more are barred
    assert sizes[True][:, 1].mean() > 29 > sizes[False][:, 1].mean() + 1


def test_a_level_draws_a_walk_to_the_sizes_that_are_below_it(make_problem):
    search = Evaluator(make_problem(n_members=90, n_samples=200))
    means = []
    for slope in (-0.01, 0.0, 0.01):
        rng, a_walk = np.random.default_rng(0), Walk(search, 45, np.arange(90) < 45)
        for _ in range(10):
            a_walk.walk(search, 80, slope * np.arange(91), rng)
        means.append(np.mean([a_walk.walk(search, 80, slope * np.arange(91), rng).sizes.mean() for _ in range(10)]))
    assert means[0] + 3 < means[1] < means[2] - 3


def test_temperatures_are_shares_of_how_much_the_last_leg_saw_neighbours_differ(make_problem, monkeypatch):
    search = Evaluator(make_problem(n_members=20))
    legs = []

    def walked(search, subset, penalty, temperature, chances):
        legs.append((temperature, float(penalty[10]), len(chances)))
        return WalkLeg(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 20), bool), 0.1, len(chances), 0)

    monkeypatch.setattr(_metropolis_walk, "metropolis_walk", walked)
    a_walk, rng = Walk(search, 8, np.arange(20) < 8), np.random.default_rng(0)
    level = np.full(21, 0.5)
    for _ in range(300):
        a_walk.walk(search, 40, level, rng)
    temperatures, penalties, steps = (np.array(column) for column in zip(*legs[1:], strict=True))
    assert 0.04 <= temperatures.min() < 0.041 < 0.059 < temperatures.max() <= 0.06
    assert_allclose(penalties, 0.1 * (2 / (8 / 3)) ** 2 - 0.5)
    assert (steps == 40).all()


def test_two_thirds_stay_around_the_best_and_the_others_are_spread_over_all_sizes(make_problem, monkeypatch):
    search = Evaluator(make_problem(n_members=60, n_samples=200))
    search.evaluate(np.array([np.arange(60) < 3, np.arange(60) < 30]))
    best = int(np.count_nonzero(search.archive.subsets[search.archive.values[:, 0].argmin()]))
    level = best_up_to_each_size(np.count_nonzero(search.archive.subsets, axis=1), search.archive.values[:, 0], 60)
    went = []

    def walk(self, search, n_steps, levels, rng):
        levelled = levels is not None
        if levelled:
            assert_array_equal(levels, level)
        went.append((levelled, int(np.flatnonzero(self._penalty == 0)[0])))
        return WalkLeg(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 60), bool), 0.1, 10, 70)

    monkeypatch.setattr(Walk, "walk", walk)
    walks, rng = MetropolisWalks(), np.random.default_rng(0)
    for _ in range(2_000):
        walks.walk(search, 40, rng)
    assert {size for levelled, size in went if not levelled} == {best}
    assert abs(np.mean([not levelled for levelled, _ in went]) - 2 / 3) < 0.03
    counts = {size: sum(1 for one in went if one == (True, size)) for size in sizes_in_mind(best, 60)}
    assert all(counts.values())
    assert counts[max(counts)] > 2 * counts[2]
    assert walks.neighbours_per_step == 7


def test_what_is_met_is_given_back_as_it_is(make_problem):
    search = Evaluator(make_problem(n_members=60, n_samples=2_000))
    search.evaluate(np.arange(60)[None] < 5)
    found = MetropolisWalks().walk(search, 80, np.random.default_rng(0))
    sizes = found.sum(axis=1)
    assert len(found) > 3
    assert len(set(sizes.tolist())) == len(found)


def test_metropolis_walk_begins_once_the_front_stands_still_and_takes_more_and_more_steps(make_problem, monkeypatch):
    steps, still = [], []
    walk = MetropolisWalks.walk

    def recorded(self, search, n_steps, rng):
        steps.append(n_steps)
        still.append(search.budget.n_evaluations - search.archive.history[-1].evaluations)
        return walk(self, search, n_steps, rng)

    monkeypatch.setattr(MetropolisWalks, "walk", recorded)
    problem = make_problem(n_members=20, n_samples=60)
    selector = NSGA2(generations=900, patience=900, walk=10, enumerate=0)
    selector.select(Evaluator(problem), np.random.default_rng(0))
    assert still[0] >= 20 * 10 * 10
    assert 10 <= steps[0] < 160
    assert steps == sorted(steps)
    assert steps[-1] == 640
    steps.clear()
    monkeypatch.setattr(nsga2, "MOST_AT_ONCE", 20 * 60 * 55)  # a walk takes long, so it is interrupted early
    selector.select(Evaluator(problem), np.random.default_rng(0))
    assert max(steps) == 50
    steps.clear()
    monkeypatch.setattr(nsga2, "MOST_AT_ONCE", 1)
    selector.select(Evaluator(problem), np.random.default_rng(0))
    assert set(steps) == {10}


def test_with_a_budget_metropolis_walk_gets_about_half_of_it(make_problem, monkeypatch):
    """By what its steps cost, not by what those of a walk would."""
    spent = []

    def walk(self, search, n_steps, rng):
        self.neighbours_per_step = 3.0
        spent.append((search.budget.n_evaluations, 3 * n_steps))
        search.budget.spend(3 * n_steps)
        return np.zeros((0, 60), bool)

    monkeypatch.setattr(MetropolisWalks, "walk", walk)
    search = Evaluator(make_problem(n_members=60, n_samples=60), Budget(400_000))
    with pytest.raises(SearchOver):
        NSGA2(patience=10**6, generations=10**6, enumerate=0).select(search, np.random.default_rng(0))
    share = sum(cost for _, cost in spent) / (400_000 - spent[0][0])
    assert 0.4 < share < 0.6


@pytest.mark.parametrize("way", [0, 1])
def test_metropolis_walk_alone_finds_the_best_of_all_subsets_from_anywhere(make_problem, way):
    problem = ways(make_problem(n_members=14, n_samples=500, seed=5))[way]
    lowest = problem.on_search(np.array(list(naive.all_subsets(14)))).error_rate.min()
    for seed in range(3):
        search, rng = Evaluator(problem), np.random.default_rng(seed)
        search.evaluate(rng.permutation(14)[None] < 3)
        walks = MetropolisWalks()
        for _ in range(60):
            search.evaluate(walks.walk(search, 100, rng))
        assert search.archive.values[:, 0].min() == lowest


@pytest.mark.parametrize("size", [1, 2, 20])
def test_a_walk_stands_also_at_one_member_and_at_all(make_problem, size, monkeypatch):
    """Its unit is how much neighbours differ, for which a single member cannot leave."""
    problem = make_problem(n_members=20)
    temperatures = []
    monkeypatch.setattr(_metropolis_walk, "WARMTHS", (0.5, 0.5))
    monkeypatch.setattr(
        _metropolis_walk, "metropolis_walk", lambda *given: temperatures.append(given[3]) or metropolis_walk(*given)
    )
    for way in ways(problem):
        search = Evaluator(way)
        start = np.arange(20) < size
        neighbours = [start ^ (np.arange(20) == i) for i in range(20) if start[i] == (size > 1)]
        unit = max(problem.on_search(np.array(neighbours)).error_rate.std(), 1 / 120)
        temperatures.clear()
        walked = Walk(search, size, start).walk(search, 200, np.zeros(21), np.random.default_rng(0))
        assert_allclose(temperatures, [0.5 * unit])
        assert walked.subsets.any(axis=1).all()
        assert_array_equal(start, np.arange(20) < size)


def test_a_walk_goes_on_where_it_stood(make_problem, monkeypatch):
    stood = []

    def recorded(search, subset, *others):
        begins = subset.copy()
        walked = metropolis_walk(search, subset, *others)
        stood.append((begins, subset.copy()))
        return walked

    monkeypatch.setattr(_metropolis_walk, "metropolis_walk", recorded)
    monkeypatch.setattr(_metropolis_walk, "LEADING", 1.0)
    search = Evaluator(make_problem(n_members=20))
    search.evaluate(np.arange(20)[None] < 6)
    walks = MetropolisWalks()
    for seed in range(3):
        walks.walk(search, 41, np.random.default_rng(seed))
    assert_array_equal(stood[0][0], np.arange(20) < 6)
    for (_, ends), (begins, _) in itertools.pairwise(stood):
        assert_array_equal(begins, ends)
    assert (stood[0][1] != stood[0][0]).any()


@pytest.mark.parametrize("size", [1, 4, 7, 12])
def test_a_walk_starts_from_a_subset_of_its_size_that_is_like_one_of_the_front(size):
    start = np.arange(12) % 2 == 0  # six of them
    for seed in range(20):
        resized = _resized(start, size, np.random.default_rng(seed))
        assert resized.sum() == size
        assert not (resized & ~start).any() or not (start & ~resized).any()
