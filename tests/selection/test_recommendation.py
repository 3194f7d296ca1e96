"""What is recommended, and what error is to be expected of it, from the search split alone."""

from dataclasses import replace

import numpy as np
import pytest
from oracles import votes as naive
from oracles.losses import smoothed_error

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.selection.constraints import constraints_of
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import criterion, nested_estimate, recommend, stratified_folds
from evo_ensyth.selection.run import run


def independent_raters(seed=0, n_search=200, n_test=4000):
    """Eight raters who are right with 50 to 80 %, of five classes, independently of each other."""
    rng = np.random.default_rng(seed)
    n = n_search + n_test
    truth = rng.integers(0, 5, n)
    right = rng.random((8, n)) < rng.uniform(0.5, 0.8, (8, 1))
    labels = np.where(right, truth, (truth + rng.integers(1, 5, (8, n))) % 5)
    search = Votes(labels[:, :n_search], truth[:n_search], 5, "search")
    test = Votes(labels[:, n_search:], truth[n_search:], 5, "test")
    return Problem(Pool(Members(tuple("abcdefgh")), search, test))


@pytest.mark.parametrize("seed", range(3))
def test_of_raters_who_err_independently_not_one_is_recommended(seed):
    found = run(independent_raters(seed), "nsga2")
    assert found.recommended.error("test") < found.whole_pool.error("test") + 0.02
    assert found.single_best.error("test") > found.recommended.error("test") + 0.08


def test_the_criterion_is_the_smoothed_error_of_every_ensemble(make_problem):
    problem = make_problem(n_members=6)
    subsets = np.array(list(naive.all_subsets(6)))
    votes = problem.search
    expected = [smoothed_error(subset, votes.y_pred, votes.y_true, votes.n_classes) for subset in subsets]
    values = np.zeros((len(subsets), 2))
    np.testing.assert_allclose(criterion(problem, subsets, values), expected, atol=1e-6)
    by_cost = problem.with_objectives(("bytes", "n_members"))
    values = np.arange(2.0 * len(subsets)).reshape(-1, 2)
    np.testing.assert_array_equal(criterion(by_cost, subsets, values), values[:, 0])


@pytest.mark.parametrize("goals", [("error", "n_members"), ("smoothed_error", "bytes"), ("bytes", "error")])
def test_the_recommended_ensemble_is_that_of_the_size_rule_by_hand(make_problem, goals):
    found = run(make_problem(n_members=9, goals=goals), "nsga2")
    cost = {"n_members": lambda one: one.size}.get(goals[1], lambda one: one.costs["bytes"])
    by_cost = sorted(found.front, key=lambda one: (cost(one), one.criterion))
    least, first = min(one.criterion for one in by_cost), by_cost[0].criterion
    expected = next(one for one in by_cost if one.criterion - least <= (first - least) / 20)
    assert found.recommended == expected
    lowest = run(make_problem(n_members=9, goals=goals), "nsga2", recommend_by="lowest_error").recommended
    assert lowest == min(found.front, key=lambda one: (one.search_errors, one.size))


def test_where_all_members_answer_alike_one_is_recommended():
    truth = np.arange(50) % 3
    labels = np.tile(np.where(np.arange(50) < 5, (truth + 1) % 3, truth), (6, 1))
    problem = Problem(Pool(Members(tuple("abcdef")), Votes(labels, truth, 3, "search")))
    assert len(run(problem, "nsga2").recommended) == 1


def test_what_is_clearly_worse_than_the_whole_pool_is_passed_over():
    problem = independent_raters()
    alone = np.eye(8, dtype=bool)[[0]]
    both = np.concatenate([alone, np.arange(8)[None] < 6])
    assert recommend(problem, both) == 1
    assert recommend(problem, alone) == 0  # nothing else is there


def test_the_test_split_changes_nothing(make_problem):
    problem = make_problem(n_members=9)
    other = replace(problem, pool=replace(problem.pool, test=None))
    one, blind = run(problem, "nsga2"), run(other, "nsga2")
    assert one.recommended.indices == blind.recommended.indices
    assert one.estimate == blind.estimate
    assert blind.estimate is not None


# --- The nested estimate ---------------------------------------------------------------------------------------------


def test_the_estimate_is_that_of_folds_by_hand(make_problem):
    """Each fold is judged by what a search of the other folds recommends."""
    problem = make_problem(n_members=6, n_samples=40, goals=None)
    votes = problem.search
    fold = np.empty(40, int)
    by_class = sorted(range(40), key=lambda s: (votes.y_true[s], s))
    for place, sample in enumerate(by_class):
        fold[sample] = place % 4
    n_errors = 0
    for i in range(4):
        inner = replace(problem, pool=replace(problem.pool, search=votes.part(samples=fold != i), test=None))
        members = run(inner, "forward_greedy", n_folds=0).recommended.indices
        subset = np.isin(np.arange(6), members)
        held_out = votes.part(samples=fold == i)
        n_errors += naive.errors(subset, held_out.y_pred, held_out.y_true, 4)
    assert nested_estimate(problem, "size_rule", 6, n_folds=4) == Estimate(n_errors, 40, 4)


def test_the_estimate_is_near_the_error_on_many_unseen_samples():
    errors, estimates = [], []
    for seed in range(4):
        found = run(independent_raters(seed), "nsga2", baselines=())
        errors.append(found.recommended.error("test"))
        estimates.append(found.estimate.error)
    assert np.mean(estimates) == pytest.approx(np.mean(errors), abs=0.02)


def test_the_estimate_under_a_limit_is_not_that_of_the_member_that_uses_it_up():
    """The best of nine raters costs as much as the other eight together, who are better."""
    raters = independent_raters(n_search=400).pool

    def with_the_best(votes):
        ninth = (votes.y_true + (np.arange(votes.n_samples) % 6 == 0)) % 5  # wrong on a sixth of the samples
        return Votes(np.concatenate([votes.y_pred, ninth[None]]), votes.y_true, 5, votes.split)

    members = Members(tuple("abcdefghi"), costs={"bytes": np.array([1] * 8 + [8])})
    problem = Problem(Pool(members, with_the_best(raters.search), with_the_best(raters.test)))
    problem = problem.with_constraints(constraints_of({"bytes": 8}, {}, members))
    found = run(problem, "nsga2")
    assert found.single_best.members == ("i",)
    assert len(found.recommended) > 4
    assert found.estimate.error == pytest.approx(found.recommended.error("test"), abs=0.03)
    greedy = run(problem, "forward_greedy", n_folds=0)
    assert greedy.recommended.error("search") < 0.15 < found.single_best.error("search")


def test_classes_are_spread_evenly_over_folds():
    y_true = np.random.default_rng(0).integers(0, 3, 100)
    fold = stratified_folds(y_true, None, 10)
    for label in range(3):
        sizes = np.bincount(fold[y_true == label], minlength=10)
        assert np.ptp(sizes) <= 1
    assert stratified_folds(y_true[:4], None, 10).max() == 3


def test_groups_stay_together_in_folds_of_like_size():
    groups = np.random.default_rng(0).integers(0, 25, 300)
    fold = stratified_folds(np.zeros(300, int), groups, 10)
    assert all(len(set(fold[groups == group])) == 1 for group in range(25))
    sizes = np.bincount(fold, minlength=10)
    assert sizes.min() > 0
    assert np.ptp(sizes) <= max(np.bincount(groups))
    assert stratified_folds(np.zeros(300, int), groups % 3, 10).max() == 2


def test_there_is_no_estimate_where_there_cannot_be_one(make_problem):
    problem = make_problem(n_members=5)
    assert nested_estimate(problem, "size_rule", 3, stopped=lambda: True) is None
    grouped = replace(problem.search, groups=np.zeros(120, np.int64))
    assert nested_estimate(replace(problem, pool=replace(problem.pool, search=grouped)), "size_rule", 3) is None
    nothing_fits = problem.with_constraints(constraints_of({"bytes": 0}, {}, problem.pool.members))
    assert nested_estimate(nothing_fits, "size_rule", 3) is None
    assert run(problem, "forward_greedy", n_folds=0).estimate is None


def test_an_interval_is_wider_than_that_of_as_many_samples():
    estimate = Estimate(50, 500, 10)
    low, high = estimate.interval
    assert low < 0.0768 < 0.1 < 0.1294 < high  # Wilson's for 50 of 500
    assert estimate.to_dict()["interval"] == [low, high]


@pytest.mark.parametrize("numbers", [(-1, 10, 5), (11, 10, 5), (0, 0, 5), (1, 10, 1)])
def test_an_impossible_estimate_is_refused(numbers):
    with pytest.raises(InputError, match="is impossible"):
        Estimate(*numbers)
