"""Hierarchical pruning against sets of ensembles that are kept by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive
from oracles.ordering import focal_likeness, hierarchy

from evo_ensyth.engine import Diversity
from evo_ensyth.engine.diversity import MEASURES
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.ordering.hierarchical_pruning import HierarchicalPruning


class Recorder(Evaluator):
    """Remembers all that was judged."""

    def __init__(self, *arguments, **limits):
        super().__init__(*arguments, **limits)
        self.judged = []

    def evaluate(self, subsets):
        self.judged += [frozenset(np.flatnonzero(subset).tolist()) for subset in subsets]
        return super().evaluate(subsets)


def searched(problem, **settings):
    search = Recorder(problem)
    HierarchicalPruning(**settings).select(search, np.random.default_rng(0))
    assert len(search.judged) == len(set(search.judged)) == search.budget.n_evaluations
    return search


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beta", [0.1, 0.3, 0.7])
def test_survivors_are_those_of_the_rule_as_it_is_written(seed, beta, make_problem):
    # few samples: ensembles are equally diverse now and then
    problem = make_problem(n_members=8, n_samples=12 + 20 * seed, seed=seed)
    votes = problem.search
    expected, dead = hierarchy(votes, focal_likeness(votes), beta, 5)
    search = searched(problem, beta=beta)
    assert set(search.judged) == expected
    assert dead
    assert not any(gone <= team for team in search.judged for gone in dead)


def test_rounding_does_not_decide_between_equals(make_problem):
    """Two ensembles are equally diverse, and their sums of floats differ in the last bit."""
    votes = (problem := make_problem(n_members=8, n_samples=20, seed=7)).search
    expected, _ = hierarchy(votes, focal_likeness(votes), 0.3, 4)
    assert set(searched(problem, beta=0.3, max_size=4).judged) == expected


@pytest.mark.parametrize("metric", MEASURES)
@pytest.mark.parametrize("focal", [False, True])
def test_every_measure_prunes_by_its_own_order(metric, focal, make_problem):
    problem = make_problem(n_members=7, n_samples=60)
    diversity = Diversity.of(problem.search)

    def likeness(team):
        return round(diversity.likeness(metric, np.isin(np.arange(7), list(team))[None], focal)[0], 12)

    search = searched(problem, metric=metric, focal=focal, beta=0.25, max_size=4)
    assert set(search.judged) == hierarchy(problem.search, likeness, 0.25, 4)[0]


def test_without_pruning_all_are_kept_and_the_front_is_that_of_all(make_problem):
    problem = make_problem(n_members=8)
    search = searched(problem, beta=0, max_size=8)
    assert len(search.judged) == 255
    values = Evaluator(problem).evaluate(np.array(list(naive.all_subsets(8)))).values
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(values)


def test_a_pool_of_ten_networks_runs_whole(make_problem):
    problem = make_problem(n_members=10, n_samples=300)
    search = searched(problem, max_size=10)
    sizes = np.bincount([len(team) for team in search.judged], minlength=11)
    assert sizes[1] == 10
    assert sizes[2] == 45 - 4  # a tenth of the pairs, rounded down
    expected, _ = hierarchy(problem.search, focal_likeness(problem.search), 0.1, 10)
    assert set(search.judged) == expected


def test_a_large_pool_leaves_its_worst_members_out_of_large_ensembles(make_problem):
    problem = make_problem(n_members=12, n_samples=80)
    search = searched(problem, beta=0, max_size=4, most_teams=70)
    best_first = np.argsort(problem.search.member_errors, kind="stable").tolist()
    for size, n_left in ((1, 12), (2, 12), (3, 8), (4, 8)):  # 66 pairs; 56 triples; 70 of four
        expected = {frozenset(team) for team in itertools.combinations(best_first[:n_left], size)}
        assert {team for team in search.judged if len(team) == size} == expected


def test_members_that_never_err_are_pruned_from_the_worst_end(make_problem):
    """All are equally diverse, and equally good: the last pair dies."""
    problem = make_problem(n_members=5)
    perfect = type(problem.search)(np.tile(problem.search.y_true, (5, 1)), problem.search.y_true, 4, "search")
    problem = replace(problem, pool=replace(problem.pool, search=perfect, test=None))
    search = searched(problem, max_size=2)
    missing = set(map(frozenset, itertools.combinations(range(5), 2))) - set(search.judged)
    assert missing == {frozenset([3, 4])}


def test_the_same_survive_in_whatever_order_the_members_come(make_problem):
    problem = make_problem(n_members=9, n_samples=3000, seed=3)
    shuffle = np.random.default_rng(5).permutation(9)
    votes = problem.search
    assert len(set(votes.member_errors)) == 9
    other = type(votes)(votes.y_pred[shuffle], votes.y_true, 4, "search")
    renamed = searched(replace(problem, pool=replace(problem.pool, search=other, test=None)))
    back = {frozenset(int(shuffle[i]) for i in team) for team in renamed.judged}
    assert back == set(searched(problem).judged)


def test_as_many_ensembles_are_kept_of_each_size_as_beta_says(make_problem):
    judged = searched(make_problem(n_members=12, n_samples=100), beta=0.5, max_size=2).judged
    assert sum(len(team) == 2 for team in judged) == 66 - 33
    assert_array_equal(sorted({len(team) for team in judged}), [1, 2])
