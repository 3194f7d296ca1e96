"""Kappa pruning against pairs that are sorted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import ordering

from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.ordering.kappa_pruning import KappaPruning


class Recorder(Evaluator):
    """Remembers all that was judged, in order."""

    def evaluate(self, subsets):
        self.judged = subsets.copy()
        return super().evaluate(subsets)


def judged(problem):
    search = Recorder(problem)
    KappaPruning().select(search, np.random.default_rng(0))
    return search.judged


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_members", [2, 3, 7, 11])
def test_members_join_in_the_order_of_the_pairs_that_agree_least(seed, n_members, make_problem):
    # few samples: there are ties
    problem = make_problem(n_members=n_members, n_samples=20, seed=seed)
    order = ordering.kappa_order(problem.search)
    expected = [np.isin(np.arange(n_members), order[:size]) for size in range(1, n_members + 1)]
    assert_array_equal(judged(problem), expected)


def test_a_pair_of_strangers_comes_before_twins(make_problem):
    problem = make_problem(n_members=3)
    labels = problem.search.y_pred
    twins = replace(problem.search, y_pred=np.stack([labels[0], labels[0], labels[2]]))
    assert judged(replace(problem, pool=replace(problem.pool, search=twins))).tolist()[1] == [True, False, True]


def test_a_pool_of_one_is_judged(make_problem):
    assert judged(make_problem(n_members=1)).tolist() == [[True]]
