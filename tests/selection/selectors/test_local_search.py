"""Local search ends where no neighbour helps, and multisets count every member as often as it is in them."""

import contextlib

import numpy as np
import pytest
from oracles import dominance, ordering
from oracles import votes as naive

from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.greedy.caruana import Caruana
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy
from evo_ensyth.selection.selectors.local.local_search import LocalSearch


def searched(selector, problem, budget=None, seconds=None):
    search = Evaluator(problem, Budget(budget, seconds))
    with contextlib.suppress(SearchOver):
        selector.select(search, np.random.default_rng(1))
    return search


@pytest.mark.parametrize("seed", range(4))
def test_no_neighbour_of_the_front_would_enter_it(make_problem, seed):
    problem = make_problem(n_members=13, seed=seed)
    search = searched(LocalSearch(breadth=1), problem)
    around = np.array([other for subset in search.archive.subsets for other in naive.neighbours(subset)])
    before = search.archive.values.copy()
    search.evaluate(around)
    assert np.array_equal(search.archive.values, before)


def test_it_goes_on_from_the_front_that_is_there(make_problem):
    problem = make_problem(n_members=13)
    search = Evaluator(problem)
    ForwardGreedy().select(search, np.random.default_rng(1))
    greedy = search.archive.hypervolume
    LocalSearch().select(search, np.random.default_rng(1))
    assert search.archive.hypervolume > greedy


def test_with_any_objectives_it_finds_no_worse_than_where_it_began(make_problem):
    problem = make_problem(n_members=13, goals=("error", "bytes", "macs"))
    search = Evaluator(problem)
    ForwardGreedy().select(search, np.random.default_rng(1))
    before = search.archive.hypervolume
    LocalSearch(breadth=3).select(search, np.random.default_rng(1))
    assert search.archive.hypervolume > before


def test_swaps_count_as_evaluations_and_are_those_of_full_counting(make_problem):
    problem = make_problem(n_members=9)
    votes = problem.search
    search = Evaluator(problem)
    subset = np.arange(9) % 3 == 0
    errors = search.swap_errors(subset)
    assert search.budget.n_evaluations == 18
    expected = [naive.errors(swap, votes.y_pred, votes.y_true, votes.n_classes) for swap in naive.swaps(subset)]
    assert errors.ravel().tolist() == expected
    with pytest.raises(SearchOver):
        Evaluator(problem, Budget(17)).swap_errors(subset)


def test_a_member_of_a_multiset_votes_as_often_as_it_is_in_it(make_problem):
    problem = make_problem(n_members=7)
    search, votes = Evaluator(problem), problem.search
    multiset = np.array([3, 0, 1, 0, 0, 2, 0])
    allowed = np.array([1, 1, 0, 1, 1, 1, 1], bool)
    errors = search.joined_errors(multiset, allowed)
    assert search.budget.n_evaluations == 6
    for member in range(7):
        more = multiset + (np.arange(7) == member)
        expected = naive.multiset_errors(more, votes.y_pred, votes.y_true, votes.n_classes)
        assert errors[member] == (expected if allowed[member] else 121)


def test_multisets_are_grown_as_by_hand(make_problem):
    problem = make_problem(n_members=8)
    multisets = np.array(ordering.caruana_multisets(problem.search, rounds=12))
    assert multisets.max() > 1  # else replacement was not tested
    values = Evaluator(problem).evaluate(multisets > 0).values
    assert sorted(map(tuple, searched(Caruana(rounds=12), problem).archive.values)) == dominance.non_dominated(values)


@pytest.mark.parametrize("seed", range(3))
def test_multisets_do_not_depend_on_the_order_of_the_members(make_problem, seed):
    """The best member used to be taken again and again where it came first: its further votes change nothing."""
    problem = make_problem(n_members=12, seed=seed)
    best_first = np.argsort(problem.search.member_errors, kind="stable")
    fronts = []
    for order in (best_first, best_first[::-1]):
        archive = searched(Caruana(rounds=30), problem.among(order)).archive
        fronts.append((archive.values[:, 0].min(), archive.subsets.sum(axis=1).max()))
    assert fronts[0][1] > 1
    assert abs(fronts[0][0] - fronts[1][0]) < 0.02


def test_multisets_of_parts_of_the_pool(make_problem):
    problem = make_problem(n_members=12)
    one, several = searched(Caruana(rounds=30), problem), searched(Caruana(rounds=30, bags=5, initial=2), problem)
    assert several.budget.n_evaluations > one.budget.n_evaluations
    assert several.archive.values[:, 0].min() <= problem.search.member_errors.min() / 120


def test_a_multiset_takes_in_as_many_as_there_are_rounds(make_problem, monkeypatch):
    largest = []
    joined_errors = Evaluator.joined_errors
    monkeypatch.setattr(
        Evaluator, "joined_errors", lambda *asked: largest.append(int(asked[1].sum())) or joined_errors(*asked)
    )
    Caruana(rounds=7, initial=3).select(Evaluator(make_problem(n_members=9)), np.random.default_rng(0))
    assert largest == [3, 4, 5, 6]
