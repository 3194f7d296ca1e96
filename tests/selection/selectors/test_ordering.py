"""Selectors that order or cluster members, against loops written from the formulas."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import ordering

from evo_ensyth.pool import Members, Pool, Votes
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.selectors.greedy.complementarity import Complementarity
from evo_ensyth.selection.selectors.greedy.drep import DREP
from evo_ensyth.selection.selectors.greedy.forward_greedy import ForwardGreedy
from evo_ensyth.selection.selectors.greedy.margin_distance_minimisation import MarginDistanceMinimisation
from evo_ensyth.selection.selectors.greedy.reduce_error import ReduceError
from evo_ensyth.selection.selectors.ordering.k_medoids import KMedoids
from evo_ensyth.selection.selectors.ordering.orientation_ordering import OrientationOrdering

ORDERINGS = (OrientationOrdering(cut=False), MarginDistanceMinimisation(), Complementarity(), DREP())
ALL = (*ORDERINGS, ReduceError(), KMedoids(), KMedoids(first="diversity"))


class Recorder(Evaluator):
    """Remembers all that was judged, in order."""

    def evaluate(self, subsets):
        self.judged = [*getattr(self, "judged", []), *subsets.copy()]
        return super().evaluate(subsets)


def path(selector, problem, seed=0):
    search = Recorder(problem)
    selector.select(search, np.random.default_rng(seed))
    return search.judged, search


def order_of(judged):
    """Who joined, one after the other."""
    before = np.zeros_like(judged[0])
    order = []
    for subset in judged:
        (joined,) = np.flatnonzero(subset & ~before)
        assert subset[before].all()
        order.append(int(joined))
        before = subset
    return order


def with_labels(problem, labels, truth):
    votes = Votes(np.asarray(labels), np.asarray(truth), 4, "search")
    return replace(problem, pool=Pool(Members(tuple("abcdefgh"[: len(labels)])), votes))


@pytest.mark.parametrize("selector", ALL, ids=str)
def test_relabelled_members_give_the_same_ensembles(make_problem, selector):
    problem = make_problem(n_members=9, n_samples=4001, seed=5)  # a draw in which nothing ties
    order = np.random.default_rng(1).permutation(9)
    shuffled = replace(
        problem,
        pool=replace(problem.pool, search=replace(problem.search, y_pred=problem.search.y_pred[order]), test=None),
    )
    judged, search = path(selector, problem)
    judged_shuffled, search_shuffled = path(selector, shuffled)
    assert_array_equal(np.array(judged)[:, order], judged_shuffled)
    assert search.budget.n_evaluations == search_shuffled.budget.n_evaluations


@pytest.mark.parametrize("selector", ORDERINGS, ids=str)
def test_orderings_are_nested_from_the_first_member_to_the_whole_pool(make_problem, selector):
    judged, _ = path(selector, make_problem(n_members=11))
    assert sorted(order_of(judged)) == list(range(11))


@pytest.mark.parametrize("selector", [OrientationOrdering(cut=False), MarginDistanceMinimisation(), Complementarity()])
def test_only_what_is_judged_is_counted(make_problem, selector):
    assert path(selector, make_problem(n_members=11))[1].budget.n_evaluations == 11


# --- Orientation ordering -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_members_are_ordered_by_their_angle_to_the_reference(make_problem, seed):
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    order, below_90_degrees = ordering.orientation_order(problem.search)
    assert order_of(path(OrientationOrdering(cut=False), problem)[0]) == order
    assert 0 < len(below_90_degrees) < 8
    assert order_of(path(OrientationOrdering(), problem)[0]) == below_90_degrees


def test_with_a_mean_signature_of_zero_accuracy_orders(make_problem):
    # two pairs of opposites: everybody's mistake is somebody's merit
    labels = [[1, 1, 0, 1], [0, 0, 1, 0], [1, 0, 1, 1], [0, 1, 0, 0]]
    judged, _ = path(OrientationOrdering(), with_labels(make_problem(), labels, [1, 1, 1, 1]))
    assert order_of(judged) == [0, 2]  # half of them are wrong more often than right


def test_with_a_mean_signature_along_the_diagonal_accuracy_orders_and_nothing_is_cut(make_problem):
    labels = [[1, 0, 0], [0, 1, 1], [1, 1, 1]]
    judged, _ = path(OrientationOrdering(), with_labels(make_problem(), labels, [1, 1, 1]))
    assert order_of(judged) == [2, 1, 0]


# --- Margin distance minimisation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("point", ["0.075", "0.2", "1"])
def test_the_member_joins_that_comes_nearest_to_the_point(make_problem, seed, point):
    problem = make_problem(n_members=7, n_samples=40, seed=seed)
    judged, _ = path(MarginDistanceMinimisation(float(point)), problem)
    assert order_of(judged) == ordering.margin_distance_order(problem.search, [Fraction(point)] * 40)


@pytest.mark.parametrize("seed", range(3))
def test_a_point_may_be_drawn_for_each_sample(make_problem, seed):
    problem = make_problem(n_members=7, n_samples=40, seed=seed)
    drawn = np.random.default_rng(seed).integers(1, 250_000, 40)
    judged, _ = path(MarginDistanceMinimisation(0), problem, seed)
    assert order_of(judged) == ordering.margin_distance_order(problem.search, [Fraction(int(n), 10**6) for n in drawn])


# --- Complementarity, DREP, reduce-error ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_member_joins_that_is_right_most_often_where_the_ensemble_is_wrong(make_problem, seed):
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    assert order_of(path(Complementarity(), problem)[0]) == ordering.complementarity_order(problem.search)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("rho", "looked_at"), [(0.3, 3 + 2 + 2 + 2 + 1 + 1 + 1), (0.5, 4 + 3 + 3 + 2 + 2 + 1 + 1)])
def test_of_the_most_different_the_best_joins(make_problem, seed, rho, looked_at):
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    judged, search = path(DREP(rho), problem)
    assert order_of(judged) == ordering.drep_order(problem.search, rho)
    assert search.budget.n_evaluations == looked_at + 8


def test_without_restriction_drep_is_the_greedy_walk(make_problem):
    problem = make_problem(n_members=12)
    assert_array_equal(path(DREP(rho=1), problem)[0], path(ForwardGreedy(), problem)[0])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rounds", [1, 10])
def test_after_each_addition_places_go_to_the_best(make_problem, seed, rounds):
    problem = make_problem(n_members=8, n_samples=60, seed=seed)
    settled, looked_at = ordering.back_fitted(problem.search, max_size=6, rounds=rounds)
    judged, search = path(ReduceError(rounds=rounds, max_size=6), problem)
    last_of_size = {int(subset.sum()): np.flatnonzero(subset).tolist() for subset in judged}
    assert list(last_of_size.values()) == settled
    assert search.budget.n_evaluations == looked_at + len(judged)


def test_another_objective_guides(make_problem):
    problem = make_problem(n_members=9, goals=("bytes", "n_members"))
    cheapest = np.argsort(problem.pool.costs["bytes"], kind="stable").tolist()
    judged, _ = path(ReduceError(), problem)
    for size in range(2, 10):
        last = [subset for subset in judged if subset.sum() == size][-1]
        assert sorted(cheapest[:size]) == np.flatnonzero(last).tolist()
    first, *others = order_of(path(DREP(rho=1), problem)[0])
    assert others == [member for member in cheapest if member != first]


def test_back_fitting_replaces_members(make_problem):
    replaced = 0
    for seed in range(5):
        problem = make_problem(n_members=10, n_samples=80, seed=seed)
        judged, search = path(ReduceError(), problem)
        replaced += len(judged) - 10
        assert search.archive.hypervolume >= path(ForwardGreedy(), problem)[1].archive.hypervolume
    assert replaced > 0


# --- Medoids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_no_exchange_of_one_medoid_lowers_the_sum_of_distances(make_problem, seed):
    # members like points on a line, where the best two lie far from the best one
    points = np.random.default_rng(seed).integers(0, 150, 11)
    problem = make_problem(n_members=11, n_samples=150)
    labels = (np.arange(150) < points[:, None]).astype(np.uint8)
    problem = replace(problem, pool=replace(problem.pool, search=replace(problem.search, y_pred=labels), test=None))
    d = ordering.label_distances(problem.search)
    assert_array_equal(d, abs(points[:, None] - points))
    judged, search = path(KMedoids(first="diversity"), problem)
    assert [int(subset.sum()) for subset in judged] == list(range(1, 12))
    assert search.budget.n_evaluations == 11
    for subset in judged:
        medoids = np.flatnonzero(subset).tolist()
        for leaving in medoids:
            for joining in np.flatnonzero(~subset):
                exchanged = [joining if i == leaving else i for i in medoids]
                assert ordering.distance_to_medoids(d, medoids) <= ordering.distance_to_medoids(d, exchanged)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_each_cluster_votes(make_problem, seed):
    problem = make_problem(n_members=9, n_samples=601, seed=seed)
    for medoids, voters in zip(
        path(KMedoids(first="diversity"), problem)[0], path(KMedoids(), problem)[0], strict=True
    ):
        expected = ordering.best_of_clusters(problem.search, np.flatnonzero(medoids))
        assert np.flatnonzero(voters).tolist() == expected


def test_two_kinds_of_members_make_two_clusters(make_problem):
    kinds = [[0, 0, 0, 1, 1, 1], [2, 2, 2, 1, 1, 1]]
    labels = np.array([kinds[i % 2] for i in range(8)])
    labels[2, 3], labels[5, 3] = 3, 3
    problem = with_labels(make_problem(), labels, kinds[0])
    _, both = path(KMedoids(max_size=2), problem)[0]
    assert np.flatnonzero(both).tolist() == [0, 1]


def test_the_better_one_of_two_is_their_medoid(make_problem):
    problem = with_labels(make_problem(), [[0, 0, 0, 3], [0, 0, 0, 0], [2, 2, 1, 1]], [0, 0, 0, 0])
    assert np.flatnonzero(path(KMedoids(first="diversity"), problem)[0][1]).tolist() == [1, 2]


@pytest.mark.parametrize("first", ["accuracy", "diversity"])
def test_members_that_answer_the_same_are_medoids_of_their_own(make_problem, first):
    problem = with_labels(make_problem(), [[1, 2, 3]] * 4, [1, 2, 0])
    judged, _ = path(KMedoids(first=first), problem)
    assert [int(subset.sum()) for subset in judged] == [1, 2, 3, 4]


# --- Settings -------------------------------------------------------------------------------------------------------
