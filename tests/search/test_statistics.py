"""Intervals, and the choice of one ensemble."""

import numpy as np
import pytest

from evo_ensyth.search.statistics import interval, smallest_as_good, smallest_within_one_standard_error


@pytest.mark.parametrize(("errors", "n"), [(0, 10), (3, 10), (10, 10), (1, 1), (50, 1000)])
def test_an_interval_solves_wilsons_equation(errors, n):
    z = 1.959963984540054
    for end in interval(errors, n):
        assert abs(end - errors / n) == pytest.approx(z * np.sqrt(end * (1 - end) / n), abs=1e-7)


def test_the_smallest_within_one_standard_error_is_taken():
    # best 0.10 of 100 samples: standard error 0.03, so 13 wrong is just within and 14 is not
    errors, sizes = np.array([14, 13, 11, 10]), np.array([1, 3, 5, 9])
    assert smallest_within_one_standard_error(errors, sizes, 100) == 1


def test_of_equally_small_ones_the_better_is_taken():
    assert smallest_within_one_standard_error(np.array([12, 11, 10]), np.array([3, 3, 8]), 100) == 1


def test_without_any_error_only_the_best_will_do():
    assert smallest_within_one_standard_error(np.array([1, 0, 0]), np.array([1, 4, 3]), 50) == 2


def wrong(*errors, n_samples=100):
    """Ensembles that are wrong on the first so many samples, or on those that are listed."""
    return np.array([np.isin(np.arange(n_samples), range(e) if isinstance(e, int) else e) for e in errors])


def test_the_smallest_that_differs_by_half_a_standard_error_is_taken():
    shares_few = [*range(5), *range(20, 26)]  # 11 wrong, 5 of them where the best is: differs in 11, bound 1.66
    assert smallest_as_good(wrong(shares_few, 10), np.array([2, 5])) == 0
    assert smallest_as_good(wrong(11, 10), np.array([2, 5])) == 1  # differs in 1: bound 0.5
    assert smallest_as_good(wrong(11, 10), np.array([2, 5]), standard_errors=2) == 0


def test_the_rule_is_that_of_the_paired_differences():
    rng = np.random.default_rng(0)
    for _ in range(50):
        some = rng.random((6, 200)) < rng.uniform(0.1, 0.3, (6, 1))
        sizes = rng.permutation(6)
        best = some[some.sum(axis=1).argmin()].astype(float)
        difference = some - best
        as_good = difference.mean(axis=1) <= 0.5 * difference.std(axis=1) / np.sqrt(200)
        assert sizes[smallest_as_good(some, sizes)] == sizes[as_good].min()
