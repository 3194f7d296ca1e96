"""Intervals, and the choice of one ensemble."""

import numpy as np
import pytest

from evo_ensyth.search.statistics import interval, lowest, smallest_within_one_standard_error


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


def test_of_equally_good_ones_the_smallest_is_lowest():
    assert lowest(np.array([5, 3, 3, 4]), np.array([1, 6, 4, 2])) == 2
