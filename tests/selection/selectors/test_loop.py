"""Where evolutionary selectors start."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.selection import selectors
from evo_ensyth.selection.archive import Archive
from evo_ensyth.selection.budget import Budget
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary import _loop
from evo_ensyth.selection.selectors.evolutionary._loop import first_generation, walk_baselines


def judged_by(names, make_problem):
    """Archive of some baselines together, and what they spent."""
    search = Evaluator(make_problem(n_members=12, n_samples=300))
    for name in names:
        selectors.load(name).select(search, np.random.default_rng(0))
    return search


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({}, ("backward_elimination", "forward_greedy", "backward_wrapper")),
        ({"seconds": 1_000}, ("backward_elimination", "forward_greedy", "backward_wrapper")),
        ({"limit": 350}, ("backward_elimination", "forward_greedy", "backward_wrapper")),
        ({"limit": 250}, ("backward_elimination", "forward_greedy")),
        ({"limit": 100}, ("backward_elimination",)),
        ({"limit": 23}, ()),
    ],
)
def test_the_start_takes_in_every_baseline_that_half_of_the_budget_left_covers(limits, names, make_problem):
    search = Evaluator(make_problem(n_members=12, n_samples=300), Budget(**limits))
    walk_baselines(search, np.random.default_rng(0))
    expected = judged_by(names, make_problem)
    assert_array_equal(search.archive.values, expected.archive.values)
    assert search.budget.n_evaluations == expected.budget.n_evaluations


def test_the_slowest_baseline_is_left_out_where_time_is_short(make_problem, monkeypatch):
    monkeypatch.setattr(_loop, "WALK_PER_PATH", 1e9)
    search = Evaluator(make_problem(n_members=12, n_samples=300), Budget(seconds=1_000))
    walk_baselines(search, np.random.default_rng(0))
    expected = judged_by(("backward_elimination", "forward_greedy"), make_problem)
    assert search.budget.n_evaluations == expected.budget.n_evaluations
    assert_array_equal(search.archive.values, expected.archive.values)


def test_the_first_generation_takes_in_the_front_but_not_more_of_it_than_half(make_problem):
    search = Evaluator(make_problem(n_members=12, n_samples=300))
    walk_baselines(search, np.random.default_rng(0))
    front = {row.tobytes() for row in search.archive.subsets}
    assert len(front) > 3
    for population in (4, 6, 40):
        start = first_generation(search, population, np.random.default_rng(0))
        rows = {row.tobytes() for row in start}
        assert len(rows) == len(start) == population
        assert len(rows & front) >= min(population // 2, len(front))
        assert start.any(axis=1).all()
    search.archive = Archive(12, search.archive.values[0])
    assert len(first_generation(search, 30, np.random.default_rng(0))) == 30
