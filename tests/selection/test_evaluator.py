"""The door between a selector and a problem."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance
from oracles import votes as naive

from evo_ensyth.errors import InputError
from evo_ensyth.selection import evaluator as evaluator_module
from evo_ensyth.selection.archive import hypervolume, non_dominated
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator


def test_values_are_those_of_the_oracle(make_problem):
    problem = make_problem(n_members=5)
    subsets = np.array(list(naive.all_subsets(5)))
    values = Evaluator(problem).evaluate(subsets).values
    votes = problem.search
    errors = [naive.errors(s, votes.y_pred, votes.y_true, votes.n_classes) / votes.n_samples for s in subsets]
    assert_array_equal(values, np.column_stack([errors, subsets.sum(axis=1)]))


def test_the_front_is_what_nothing_judged_dominates(make_problem):
    search = Evaluator(make_problem(n_members=7))
    values = np.concatenate(
        [search.evaluate(s).values for s in np.array_split(np.array(list(naive.all_subsets(7))), 9)]
    )
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(values)


def test_archive_and_history_are_those_of_every_batch(make_problem):
    """Batches that cannot change the archive are set aside early; nothing that is recorded may show it."""
    problem = make_problem(n_members=9, goals=("error", "bytes", "n_members"))
    search, subsets, values, volumes = Evaluator(problem), np.zeros((0, 9), bool), np.zeros((0, 3)), []
    rng = np.random.default_rng(0)
    for _ in range(60):
        batch = rng.random((12, 9)) < rng.random()
        batch[~batch.any(axis=1), 0] = True
        before = values
        subsets, values = non_dominated(
            np.concatenate([subsets, batch]), np.concatenate([values, search.evaluate(batch).values])
        )
        if not np.array_equal(values, before):
            volumes.append((search.budget.n_evaluations, hypervolume(values, problem.reference)))
        assert_array_equal(search.archive.subsets, subsets)
        assert_array_equal(search.archive.values, values)
    assert [(m.evaluations, m.hypervolume) for m in search.archive.history] == volumes
    assert len(volumes) < 60


@pytest.mark.parametrize("leading", ["error", "smoothed_error", "bytes"])
def test_values_of_neighbours_are_those_that_they_have_when_evaluated(make_problem, leading):
    problem = make_problem(n_members=9, goals=(leading, "n_members"))
    search = Evaluator(problem)
    subset, candidates = np.arange(9) % 2 == 0, np.arange(9) < 7
    values = search.neighbour_values(subset, candidates)
    assert search.budget.n_evaluations == 7
    neighbours = subset ^ np.eye(9, dtype=bool)[:7]
    assert_array_equal(values[:7], Evaluator(problem).evaluate(neighbours).values[:, 0])
    assert (values[7:] == np.inf).all()


def test_the_error_or_an_estimate_of_it_leads_or_else_the_first_objective(make_problem):
    assert make_problem(goals=("n_members", "error")).leading.name == "error"
    assert make_problem(goals=("n_members", "smoothed_error")).leading.name == "smoothed_error"
    assert make_problem(goals=("bytes", "n_members")).leading.name == "bytes"


def test_a_budget_is_spent_to_the_last_and_never_exceeded(make_problem):
    search = Evaluator(make_problem(n_members=6), Budget(10))
    subsets = np.array(list(naive.all_subsets(6)))
    search.evaluate(subsets[:7])
    with pytest.raises(SearchOver):
        search.evaluate(subsets[7:])
    assert search.budget.n_evaluations == 10
    assert sorted(map(tuple, search.archive.values)) == dominance.non_dominated(
        Evaluator(make_problem(n_members=6)).evaluate(subsets[:10]).values
    )
    with pytest.raises(SearchOver):
        search.evaluate(subsets[:1])


def test_a_batch_that_just_fits_is_no_end(make_problem):
    search = Evaluator(make_problem(n_members=3), Budget(7))
    search.evaluate(np.array(list(naive.all_subsets(3))))
    assert search.budget.remaining == 0


def test_blocks_change_nothing(make_problem, monkeypatch):
    subsets = np.array(list(naive.all_subsets(6)))
    whole = Evaluator(make_problem(n_members=6))
    expected = whole.evaluate(subsets).values
    monkeypatch.setattr(evaluator_module, "LARGEST_BLOCK", 5)
    cut = Evaluator(make_problem(n_members=6))
    assert_array_equal(cut.evaluate(subsets).values, expected)
    assert_array_equal(cut.archive.subsets, whole.archive.subsets)


def test_neighbours_count_and_enter_no_archive(make_problem):
    search = Evaluator(make_problem(n_members=6), Budget(9))
    subset = np.array([1, 1, 0, 0, 0, 0], bool)
    errors = search.neighbour_errors(subset, ~subset)
    assert (search.budget.n_evaluations, len(search.archive)) == (4, 0)
    assert (errors[subset] > search.votes.n_samples).all()
    assert (errors[~subset] <= search.votes.n_samples).all()
    with pytest.raises(SearchOver):
        search.neighbour_errors(subset, np.ones(6, bool))


def test_multisets_count_and_enter_no_archive(make_problem):
    problem = make_problem(n_members=5)
    search, votes = Evaluator(problem, Budget(4)), problem.search
    multisets = np.array([[3, 0, 1, 0, 2], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    repeated = [np.repeat(votes.y_pred, multiset, axis=0) for multiset in multisets]
    expected = [naive.errors(np.ones(len(labels)), labels, votes.y_true, 4) for labels in repeated]
    assert_array_equal(search.multiset_errors(multisets), expected)
    assert (search.budget.n_evaluations, len(search.archive)) == (3, 0)
    with pytest.raises(SearchOver):
        search.multiset_errors(multisets)
    assert search.budget.n_evaluations == 3


def test_time_and_a_stop_end_a_search(make_problem):
    everybody = np.ones((1, 4), bool)
    hasty = Evaluator(make_problem(n_members=4), Budget(seconds=1e-9))
    hasty.evaluate(everybody)
    with pytest.raises(SearchOver):
        hasty.evaluate(everybody)
    search = Evaluator(make_problem(n_members=4))
    search.budget.stop()
    with pytest.raises(SearchOver):
        search.evaluate(everybody)


def test_history_never_falls(make_problem):
    rng = np.random.default_rng(0)
    search = Evaluator(make_problem(n_members=9))
    for _ in range(20):
        subsets = rng.random((5, 9)) < 0.5
        subsets[:, 0] = True
        search.evaluate(subsets)
    volumes = [milestone.hypervolume for milestone in search.archive.history]
    assert volumes == sorted(volumes)
    assert volumes[-1] == hypervolume(search.archive.values, make_problem(n_members=9).reference)


@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        (np.ones((2, 4)), r"subsets have type float64 and shape \(2, 4\); expected bool, \(n_subsets, 4\)"),
        (np.ones((2, 5), bool), r"shape \(2, 5\)"),
        (np.ones(4, bool), r"shape \(4,\)"),
        (np.array([[1, 0, 0, 0], [0, 0, 0, 0]], bool), "subset 1 has no member; give every subset at least one"),
    ],
)
def test_what_is_no_batch_of_subsets_is_refused(make_problem, subsets, message):
    with pytest.raises(InputError, match=message):
        Evaluator(make_problem(n_members=4)).evaluate(subsets)
