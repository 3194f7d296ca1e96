"""pymoo's algorithms behind their door."""

import contextlib
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluated, Evaluator
from evo_ensyth.selection.selectors.evolutionary import _loop, _pymoo

NAMES = ("nsga2_pymoo", "nsga3", "age_moea", "moead")


@pytest.mark.parametrize(("n_objectives", "n"), [(1, 1), (2, 100), (3, 91), (4, 84), (5, 85), (8, 72), (12, 90)])
def test_reference_directions_fill_the_population_and_lie_on_the_simplex(n_objectives, n):
    directions = _pymoo.reference_directions(n_objectives, 100)
    assert directions.shape == (n, n_objectives)
    assert_allclose(directions.sum(axis=1), 1)
    assert len(np.unique(directions.round(9), axis=0)) == n
    if n_objectives < 12:
        assert (directions > 0).all(axis=1).any()  # not all on the rim
    assert_array_equal(directions, _pymoo.reference_directions(n_objectives, n))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("goals", [("error",), ("error", "n_members"), ("error", "bytes", "macs", "n_members")])
def test_any_number_of_objectives_and_every_judged_subset_counts(name, goals, make_problem, monkeypatch):
    judged = []
    problem = make_problem(n_members=20, goals=goals)
    ensembles = Evaluator._ensembles
    monkeypatch.setattr(Evaluator, "_ensembles", lambda self, some: judged.append(len(some)) or ensembles(self, some))
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    search = Evaluator(problem, Budget(1_000))
    with warnings.catch_warnings():
        before = list(warnings.filters)
        with pytest.raises(SearchOver):
            selectors.load(name).select(search, np.random.default_rng(1))
        assert warnings.filters == before
    assert search.budget.n_evaluations == sum(judged) == 1_000


@pytest.mark.parametrize("name", NAMES)
def test_it_beats_random_subsets_from_the_same_start(name, make_problem, monkeypatch):
    monkeypatch.setattr(_loop, "walk_baselines", lambda search, rng: None)
    gains = []
    for seed in range(3):
        volumes = []
        for chosen in (name, "random"):
            search = Evaluator(make_problem(n_members=40, goals=("error", "bytes", "n_members")), Budget(3_000))
            with contextlib.suppress(SearchOver):
                selectors.load(chosen).select(search, np.random.default_rng(seed))
            volumes.append(search.archive.hypervolume)
        gains.append(volumes[0] / volumes[1] - 1)
    assert min(gains) > 0


def test_scaled_objectives_span_zero_to_one_over_the_first_generation():
    rng = np.random.default_rng(0)
    start = np.unique(rng.random((50, 20)) < 0.5, axis=0)
    values = np.column_stack([rng.random(len(start)) * 1e-3, rng.random(len(start)) * 1e6, np.ones(len(start))])
    evaluated = Evaluated(values, np.zeros(len(values)))
    seen = _pymoo.age_moea(start, evaluated, crossover=0.9, seed=1)._algorithm.pop.get("F")
    assert_allclose(seen.min(axis=0), 0, atol=1e-12)
    assert_allclose(seen.max(axis=0), [1, 1, 0])
    plain = _pymoo.nsga2(start, evaluated, crossover=0.9, seed=1)._algorithm.pop.get("F")
    assert sorted(map(tuple, plain)) == sorted(map(tuple, values))
