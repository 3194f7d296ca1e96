"""The benchmark of EnSyth's tables: nested ensembles by plain loops, and the shipped pool of Fashion-MNIST."""

from itertools import pairwise

import ensyth
import numpy as np
import pytest
from oracles import votes as naive

import evo_ensyth as ee


def test_nested_ensembles_are_those_of_plain_loops(make_problem):
    pool = make_problem(n_members=7).pool
    path = ensyth.eliminated(pool.search, pool.test)
    order = sorted(range(7), key=lambda i: (pool.search.member_errors[i], i))
    for size in range(1, 8):
        subset = np.isin(np.arange(7), order[:size])
        for votes, found in ((pool.search, path.ordering), (pool.test, path.judging)):
            errors = naive.errors(subset, votes.y_pred, votes.y_true, votes.n_classes)
            assert found[size - 1] == errors / votes.n_samples
    assert path.ordering[path.chosen] == path.ordering.min()
    assert all(path.ordering[: path.chosen] > path.ordering.min())


def test_the_nested_ensembles_are_those_of_the_selector():
    pool = ee.load(ensyth.predictions("fashion_mnist"))
    path = ensyth.eliminated(pool.search, pool.test)
    run = ee.search(pool, ["error", "n_members"], selector="backward_elimination", vote=ensyth.MAJORITY, n_folds=0)
    for one in run.front:
        assert one.error("search") == pytest.approx(path.ordering[one.size - 1])
        assert one.error("test") == pytest.approx(path.judging[one.size - 1])


def test_published_numbers_fall_with_epsilon_and_leave_the_convolutions():
    for name, convolutions in (("cifar10", 107_328), ("cifar5", 107_328), ("fashion_mnist", 52_096)):
        parameters = ensyth.PUBLISHED[name].parameters
        assert len(parameters) == len(ensyth.EPSILONS)
        assert all(a > b for a, b in pairwise(parameters))
        assert parameters[-1] > convolutions
