"""MDEP: what guides it is worked out by loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import dominance, losses
from oracles import votes as naive

from evo_ensyth.objectives import find
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.constraints import constraints_of
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.evolutionary.mdep import MDEP


def by_hand(subset, votes):
    """Error, size and margin ratio."""
    given = subset, votes.y_pred, votes.y_true, votes.n_classes
    return naive.errors(*given) / votes.n_samples, subset.sum(), losses.margin_ratio(*given)


def test_it_is_guided_by_error_size_and_margin_ratio_whatever_the_problem_asks_for(make_problem):
    problem = make_problem(n_members=9, goals=("bytes", "error"))
    judged = []

    class Watched(Evaluator):
        def evaluate(self, subsets, by=()):
            evaluated = super().evaluate(subsets, by)
            judged.append((subsets, evaluated.values))
            return evaluated

    search = Watched(problem, Budget(45))
    with pytest.raises(SearchOver):
        MDEP().select(search, np.random.default_rng(0))
    assert [len(subsets) for subsets, _ in judged] == [9] * 5  # a population of one for each member
    subsets = np.concatenate([subsets for subsets, _ in judged])
    for subset, found in zip(subsets, np.concatenate([values for _, values in judged]), strict=True):
        assert_allclose(found, by_hand(subset, problem.search), rtol=1e-12)
    own = Evaluator(problem).evaluate(subsets).values
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(own)


def test_it_finds_most_of_the_true_front_of_its_three_objectives(make_problem):
    problem = make_problem(n_members=10, n_samples=60)
    values = []

    class Watched(Evaluator):
        def evaluate(self, subsets, by=()):
            evaluated = super().evaluate(subsets, by)
            values.append(evaluated.values)
            return evaluated

    MDEP(generations=60).select(Watched(problem), np.random.default_rng(0))
    true = dominance.non_dominated([by_hand(subset, problem.search) for subset in naive.all_subsets(10)])
    found = np.concatenate(values)
    reached = [np.isclose(found, point, rtol=1e-9).all(axis=1).any() for point in true]
    assert np.mean(reached) > 0.8


def test_it_ends_after_its_generations(make_problem):
    search = Evaluator(make_problem(n_members=12))
    MDEP(generations=3).select(search, np.random.default_rng(0))
    assert search.budget.n_evaluations == 12 * 4


def test_what_guides_is_penalised_by_constraints_as_well(make_problem):
    problem = make_problem()
    search = Evaluator(problem.with_constraints(constraints_of({"n_members": 2}, {}, problem.pool.members)))
    subsets = np.array([[1, 1, 0, 0, 0, 0, 0, 0], [1] * 8], bool)
    evaluated = search.evaluate(subsets, by=[find("margin_ratio", problem.pool)])
    assert evaluated.values.shape == (2, 1)
    assert_array_equal(evaluated.violations, [0, 3])
    assert evaluated.penalised[0, 0] < 100 < 1e29 < evaluated.penalised[1, 0]
    assert_array_equal(search.archive.subsets, subsets[:1])
