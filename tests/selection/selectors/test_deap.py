"""What DEAP breeds: exact on small pools, the same as pymoo on larger ones, and nobody else's dice are touched."""

import contextlib
import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary import _deap, _loop
from evo_ensyth.selection.selectors.evolutionary.genetic import Genetic
from evo_ensyth.selection.selectors.evolutionary.nsga2 import NSGA2
from evo_ensyth.selection.selectors.evolutionary.nsga2_deap import NSGA2DEAP


def searched(selector, problem, seed=1, budget=None, seconds=None):
    search = Evaluator(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        selector.select(search, np.random.default_rng(seed))
    return search


def enumerated(problem):
    return Evaluator(problem).evaluate(np.array(list(naive.all_subsets(len(problem.pool))))).values


@pytest.fixture
def judged(monkeypatch):
    """All batches that any evaluator judges from now on."""
    batches = []
    evaluate = Evaluator.evaluate
    monkeypatch.setattr(Evaluator, "evaluate", lambda self, s: batches.append(s.copy()) or evaluate(self, s))
    return batches


@pytest.mark.parametrize("n_members", range(1, 9))
@pytest.mark.parametrize("selector", [Genetic(), Genetic(population=8), NSGA2DEAP(), NSGA2DEAP(population=24)], ids=str)
def test_the_front_of_a_small_pool_is_the_enumerated_one(selector, n_members, make_problem):
    problem = make_problem(n_members=n_members, n_samples=60, seed=n_members)
    assert sorted(map(tuple, searched(selector, problem).archive.values)) == dominance.non_dominated(
        enumerated(problem)
    )


@pytest.mark.parametrize("name", ["genetic", "nsga2_deap"])
def test_a_budget_is_spent_to_the_last(name, make_problem):
    for budget in (1, 333, 1000):
        assert searched(selectors.load(name), make_problem(n_members=20), budget=budget).budget.n_evaluations == budget


@pytest.mark.parametrize(
    "selector", [Genetic(patience=1, generations=1), NSGA2DEAP(patience=1, generations=1)], ids=str
)
def test_a_budget_outweighs_patience(selector, make_problem):
    assert searched(selector, make_problem(n_members=20), budget=4000).budget.n_evaluations == 4000


@pytest.mark.parametrize("selector", [Genetic(), Genetic(population=10), NSGA2DEAP()], ids=str)
def test_a_generation_is_judged_in_one_batch_and_holds_no_subset_twice(selector, make_problem, judged):
    searched(selector, make_problem(n_members=16), budget=3000)
    assert len(judged) < 200
    for batch in judged:
        assert batch.any(axis=1).all()
        assert len(np.unique(batch, axis=0)) == len(batch)


def test_no_subset_is_judged_twice_by_nsga2_deap(make_problem, judged, monkeypatch):
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    searched(NSGA2DEAP(generations=30), make_problem(n_members=16))
    rows = np.concatenate(judged)
    assert len(rows) == 31 * 100
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_nsga2_deap_starts_where_nsga2_starts(make_problem, judged):
    firsts = []
    for selector in (NSGA2(), NSGA2DEAP()):
        searched(selector, make_problem(n_members=20), budget=800)
        firsts.append(next(batch for batch in judged if len(batch) == 100))
        judged.clear()
    assert_array_equal(*firsts)


@pytest.mark.parametrize("seed", range(3))
def test_two_libraries_agree_on_what_nsga2_finds(seed, make_problem, monkeypatch):
    """From random starts alone, so that it is evolution that agrees; both are near the front of all 2^20 subsets."""
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    problem = make_problem(n_members=20, n_samples=300, seed=seed)
    volumes = [searched(s, problem, seed, budget=6000).archive.hypervolume for s in (NSGA2(walk=0), NSGA2DEAP())]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.005)
    start = searched(NSGA2(), problem, seed, budget=100).archive.hypervolume
    assert start < 0.98 * min(volumes)  # else agreeing would be no art


def test_genetic_judges_the_sizes_that_it_was_given(make_problem, judged):
    searched(Genetic(sizes=(3, 7, 99), population=10, generations=5), make_problem(n_members=12))
    sizes = np.concatenate(judged).sum(axis=1)
    assert set(sizes) == {3, 7, 12}
    assert np.count_nonzero(sizes == 12) == 1


def test_sizes_are_spread_from_one_to_all_in_equal_ratios():
    assert Genetic()._sizes(8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert Genetic()._sizes(36) == [1, 2, 3, 4, 5, 7, 10, 14, 19, 26, 36]


@pytest.mark.parametrize("seed", range(3))
def test_genetic_finds_the_best_of_a_size(seed, make_problem):
    problem = make_problem(n_members=18, seed=seed)
    rows = np.zeros((math.comb(18, 6), 18), bool)
    for row, members in zip(rows, itertools.combinations(range(18), 6), strict=True):
        row[list(members)] = True
    best = Evaluator(problem).evaluate(rows).values[:, 0].min()
    found = searched(Genetic(sizes=(6,)), problem)
    assert found.budget.n_evaluations < len(rows) / 5
    assert found.archive.values[0, 0] == best


def test_genetic_goes_by_the_first_objective_where_error_is_none(make_problem):
    problem = make_problem(n_members=16, goals=("bytes", "n_members"))
    found = searched(Genetic(sizes=(4,)), problem).archive
    assert found.values[0, 0] == np.sort(problem.pool.costs["bytes"])[:4].sum()


@pytest.mark.parametrize("name", ["genetic", "nsga2_deap"])
def test_who_rolls_dice_while_watching_changes_nothing(name, make_problem):
    quiet = searched(selectors.load(name), make_problem(n_members=14), budget=1500)
    random.seed(3)
    rolls = []
    search = Evaluator(make_problem(n_members=14), Budget(1500), on_milestone=lambda m: rolls.append(random.random()))
    with contextlib.suppress(SearchOver):
        selectors.load(name).select(search, np.random.default_rng(1))
    assert_array_equal(search.archive.subsets, quiet.archive.subsets)
    random.seed(3)
    assert rolls == [random.random() for _ in rolls]


def test_dice_go_on_where_they_were_put_down():
    dice = _deap.Dice(4)
    rolls = []
    for _ in range(3):
        with dice:
            rolls.append(random.random())
    expected = random.Random(4)
    assert rolls == [expected.random() for _ in rolls]


def test_children_of_nsga2_take_after_both_parents():
    low = np.arange(40) < 20
    start = np.array([low ^ (np.arange(40) == i) if i % 2 else ~low ^ (np.arange(40) == i) for i in range(40)])
    values = np.column_stack([np.arange(40), -np.arange(40)]).astype(float)
    evaluated = Evaluated(values, np.zeros(len(values)))
    for crossover, mixed in ((0.0, False), (1.0, True)):
        children = next(_deap.NSGA2(start, evaluated, crossover=crossover, dice=_deap.Dice(0)).generations())
        both = np.minimum(children[:, :20].sum(axis=1), children[:, 20:].sum(axis=1)) > 5
        assert len(children) == 40
        assert both.any() == mixed


def test_parents_of_one_size_have_children_of_that_size():
    with _deap.Dice(0):
        for _ in range(50):
            first, second = (
                _deap._Subset(np.random.default_rng(random.randrange(99)).permutation([1, 1, 1, 0, 0, 0, 0]), list)
                for _ in range(2)
            )
            before = np.array([first, second]).sum(axis=0)
            _deap._share_out(first, second)
            assert_array_equal(np.array([first, second]).sum(axis=0), before)
            assert sum(first) == sum(second) == 3
            assert sum(_deap._swap(first)[0]) == 3


def test_deap_is_imported_when_it_is_used_and_leaves_no_class_behind(make_problem):
    program = (
        "import sys\n"
        "from evo_ensyth.selection import selectors\n"
        "for name in selectors.names(): selectors.load(name)\n"
        "assert not any(name.split('.')[0] == 'deap' for name in sys.modules)\n"
        "import evo_ensyth.selection.selectors.evolutionary._deap\n"
        "assert 'deap' in sys.modules and 'deap.creator' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
