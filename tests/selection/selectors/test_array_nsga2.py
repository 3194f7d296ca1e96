"""The array loop does what pymoo does, on the same population and on the whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pymoo.core.population import Population
from scipy.stats import binom

from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary import _array_nsga2, _breeding, _loop, _pymoo
from evo_ensyth.selection.selectors.evolutionary._array_nsga2 import ArrayNSGA2, Judged, pack, survivors, unpack
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2
from evo_ensyth.selection.selectors.evolutionary.nsga2_pymoo import NSGA2Pymoo


@pytest.mark.parametrize("n_members", [1, 8, 63, 64, 65, 130])
def test_packing_can_be_undone(n_members, rng):
    subsets = rng.random((9, n_members)) < 0.4
    packed = pack(subsets)
    assert packed.shape == (9, -(-n_members // 64))
    assert_array_equal(unpack(packed, n_members), subsets)
    assert_array_equal(packed[:, -1] >> np.uint64((n_members - 1) % 64), subsets[:, -1])


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [2, 7, 1000])
@pytest.mark.parametrize("n_survive", [1, 20, 33, 60])
def test_survival_ranks_and_crowding_are_exactly_those_of_the_pymoo_driver(n_objectives, levels, n_survive, rng):
    for _ in range(20):
        values = rng.integers(0, levels, (60, n_objectives)) / 7
        population = Population.new("X", np.arange(60)[:, None], "F", values)
        theirs = _pymoo._StableRankAndCrowding()._do(None, population, n_survive=n_survive)
        ours = survivors(values, n_survive)
        assert_array_equal(ours.chosen, theirs.get("X")[:, 0])
        assert_array_equal(ours.ranks, theirs.get("rank"))
        assert_array_equal(ours.crowding, theirs.get("crowding"))


def feasible(values):
    return Evaluated(values, np.zeros(len(values)))


def evolution(n_members, rng, population=40, **settings):
    start = np.zeros((0, n_members), bool)
    while len(start) < population:
        start = np.unique(np.concatenate([start, rng.random((population, n_members)) < 0.3]), axis=0)
        start = start[start.any(axis=1)][:population]
    values = np.column_stack([rng.integers(0, 30, population), start.sum(axis=1)]).astype(float)
    return start, ArrayNSGA2(start, feasible(values), **{"crossover": 0.9, "seed": 1, **settings})


@pytest.mark.parametrize("n_members", [12, 64, 100, 200])
def test_children_are_new_and_not_empty(n_members, rng):
    start, steps = evolution(n_members, rng)
    seen = {row.tobytes() for row in start}
    for _, children in zip(range(20), steps.generations(), strict=False):
        assert children.shape == (40, n_members)
        assert children.any(axis=1).all()
        fresh = {row.tobytes() for row in children}
        assert len(fresh) == 40
        assert not fresh & seen
        seen |= fresh
        steps.tell(feasible(np.column_stack([rng.integers(0, 30, 40), children.sum(axis=1)]).astype(float)))


def test_who_loses_the_last_member_gets_one_at_random():
    state, table = np.array([3], np.uint64), _array_nsga2._chances_of_flips(10)
    single = np.arange(10)[None] == 4
    children = np.repeat(pack(single), 4_000, axis=0)
    for child in children:
        _breeding.mutate(state, child, 10, table, np.empty(table.size, np.int64))
    mutated = unpack(children, 10)
    assert mutated.any(axis=1).all()
    assert (mutated.sum(axis=0) > 100).all()


def test_breeding_ends_when_every_subset_was_judged(rng):
    start, steps = evolution(6, rng)
    judged = list(start)
    for children in steps.generations():
        judged.extend(children)
        steps.tell(feasible(np.ones((len(children), 2))))
    assert len(judged) == len({row.tobytes() for row in judged})
    assert 60 <= len(judged) <= 63


def test_without_crossover_half_of_the_children_swap_and_the_others_flip_like_a_binomial(rng):
    n = 150
    parent = np.zeros((1, n), bool)
    parent[0, :40] = True
    children = np.repeat(pack(parent), 40_000, axis=0)
    state, table = np.array([3], np.uint64), _array_nsga2._chances_of_flips(n)
    for child in children[:5_000]:
        _breeding.mutate(state, child, n, table, np.empty(table.size, np.int64))
    changed = unpack(children[:5_000], n) ^ parent
    counts = changed.sum(axis=1)
    sizes = unpack(children[:5_000], n).sum(axis=1)
    swapped = (counts == 2) & (sizes == 40)
    flipped_two_evenly = binom.pmf(2, n, 1 / n) * 2 * 40 * 110 / (n * (n - 1))
    assert_allclose(swapped.mean(), 0.5 + 0.5 * flipped_two_evenly, atol=0.025)
    expected = 0.5 * binom.pmf(np.arange(6), n, 1 / n)
    expected[2] += 0.5
    assert_allclose(np.bincount(counts, minlength=6)[:6] / 5_000, expected, atol=0.025)
    inside, outside = changed[:, :40].mean(), changed[:, 40:].mean()  # everybody has the same chance, on either side
    assert_allclose(changed[:, :40].mean(axis=0), inside, atol=5 * np.sqrt(inside / 5_000))
    assert_allclose(changed[:, 40:].mean(axis=0), outside, atol=5 * np.sqrt(outside / 5_000))


def test_uniform_crossover_takes_each_member_from_either_parent():
    start = np.zeros((2, 128), bool)
    start[0] = True
    start[1, 0] = True
    steps = ArrayNSGA2(start, feasible(np.array([[0.0, 1.0], [1.0, 0.0]])), crossover=1.0, seed=5)
    steps._flip_table = np.full(1, 2**64 - 1, np.uint64)  # nothing flips; half of the children swap
    children = np.concatenate([next(steps.generations()) for _ in range(300)])
    mixed = children[(children.sum(axis=1) > 20) & (children.sum(axis=1) < 110)]
    assert len(mixed) > 250
    assert_allclose(mixed.sum(axis=1).std(), np.sqrt(127) / 2, rtol=0.15)
    assert_allclose(mixed[:, 1:].mean(), 0.5, atol=0.02)
    assert_allclose(mixed[:, 1:].mean(axis=0), 0.5, atol=5 * np.sqrt(0.25 / len(mixed)))


def test_the_better_rank_wins_a_tournament_then_the_less_crowded():
    state, queue, at = np.array([1], np.uint64), np.arange(4), np.array([4])
    ranks, crowding = np.array([0, 0, 1, 1]), np.array([1.0, 2.0, np.inf, 5.0])
    wins = np.bincount([_breeding.tournament(state, queue, at, ranks, crowding) for _ in range(6_000)], minlength=4)
    # In a shuffled round of four each meets each of the others equally often.
    assert_allclose(wins / 6_000, np.array([2, 3, 1, 0]) / 6, atol=0.03)


@pytest.mark.parametrize("n_members", [30, 100, 300])
def test_what_was_judged_is_remembered_while_the_table_grows(n_members, rng):
    judged = Judged(n_members)
    subsets = np.unique(rng.random((30_000, n_members)) < 0.5, axis=0)
    assert judged.add(subsets).all()
    assert not judged.add(subsets).any()
    twice = rng.random((1, n_members)) < 0.5
    assert_array_equal(judged.add(np.repeat(twice, 3, axis=0)), [True, False, False])


def test_memory_for_judged_subsets_is_bounded_and_keeps_the_latest(rng, monkeypatch):
    monkeypatch.setattr(_array_nsga2, "FIRST_ROWS", 2**8)
    monkeypatch.setattr(_array_nsga2, "MOST_ROWS", 2**10)
    judged = Judged(60)
    subsets = np.unique(rng.random((5_000, 60)) < 0.5, axis=0)
    for start in range(0, 5_000, 100):
        judged.add(subsets[start : start + 100])
    assert len(judged.young) == len(judged.old) == 2**10
    assert not judged.add(subsets[-500:]).any()
    assert judged.add(subsets[:100]).any()


def test_on_the_whole_the_fronts_are_as_good_as_those_of_pymoo(make_problem, monkeypatch):
    """Both from random subsets alone, so that the start does not decide; the truth is enumerated."""
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    settings = {"enumerate": 0, "population": 20, "generations": 25}
    shares = {NSGA2(**settings, walk=0): [], NSGA2Pymoo(**settings): []}
    for seed in range(12):
        problem = make_problem(n_members=15, n_samples=150, seed=seed)
        truth = Evaluator(problem)
        NSGA2().select(truth, np.random.default_rng(0))
        assert truth.budget.n_evaluations == 2**15 - 1
        for selector, found in shares.items():
            search = Evaluator(problem)
            selector.select(search, np.random.default_rng(seed))
            found.append(1 - search.archive.hypervolume / truth.archive.hypervolume)
    ours, theirs = (np.array(found) for found in shares.values())
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / 12)
    assert 0 < theirs.mean() < 0.1  # there is something to compare
    assert abs(ours.mean() - theirs.mean()) < 3 * error


@pytest.fixture
def rng():
    return np.random.default_rng(7)
