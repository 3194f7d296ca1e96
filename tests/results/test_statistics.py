"""Intervals, tests, and the choice of one ensemble."""

import numpy as np
import pytest
from oracles import statistics as slow

from evo_ensyth.results.statistics import (
    holm,
    interval,
    knee,
    lowest,
    mcnemar,
    paired_interval,
    smallest_within_one_standard_error,
)


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


# --- Two ensembles on the same samples -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_only", "second_only", "n"),
    [(12, 2, 50), (2, 12, 50), (9, 20, 32), (5, 0, 20), (0, 7, 20), (1, 1, 2), (300, 350, 10_000), (40, 40, 500)],
)
def test_a_paired_interval_solves_tangos_equation(first_only, second_only, n):
    z, observed = 1.959963984540054, (first_only - second_only) / n
    low, high = paired_interval(first_only, second_only, n)
    assert low < observed < high
    for end in (low, high):
        variance = (2 * slow.likeliest(end, first_only, second_only, n) + end - end**2) / n
        assert abs(observed - end) == pytest.approx(z * np.sqrt(variance), abs=1e-6)


def test_a_paired_interval_excludes_0_where_mcnemars_statistic_is_large():
    for first_only in range(25):
        for second_only in range(25):
            low, high = paired_interval(first_only, second_only, 60)
            large = (first_only - second_only) ** 2 > 1.959963984540054**2 * (first_only + second_only)
            assert (low > 0 or high < 0) == large


def test_where_nothing_differs_the_interval_has_a_width():
    z2 = 1.959963984540054**2
    assert paired_interval(0, 0, 40) == pytest.approx((-z2 / (40 + z2), z2 / (40 + z2)))


@pytest.mark.parametrize("n", [1, 20])
def test_where_everything_differs_the_interval_ends_there(n):
    low, high = paired_interval(n, 0, n)
    assert high == 1
    assert -1 < low < 1
    assert paired_interval(0, n, n) == pytest.approx((-1, -low))


@pytest.mark.parametrize(("first_only", "second_only"), [(0, 0), (1, 0), (3, 9), (9, 3), (8, 8), (0, 20)])
def test_mcnemars_test_sums_the_tails_of_a_fair_coin(first_only, second_only):
    assert mcnemar(first_only, second_only) == pytest.approx(slow.mcnemar(first_only, second_only))


def test_holms_correction_steps_down():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005, 0.9]))
    np.testing.assert_allclose(corrected, [0.04, 0.09, 0.09, 0.025, 0.9])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]
    assert len(holm(np.array([]))) == 0


# --- Knees -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "index"),
    [
        ([(1, 10), (2, 4), (5, 3), (11, 0)], 1),
        ([(11, 0), (5, 3), (2, 4), (1, 10)], 2),
        ([(1, 1000), (2, 400), (5, 300), (11, 0)], 1),  # in another unit
        ([(1, 10), (2, 9.5), (10, 9), (11, 0)], None),  # only above the line
        ([(1, 10), (6, 5), (11, 0)], None),  # on it
        ([(1, 10), (11, 0)], None),
        ([(1, 10)], None),
        ([(1, 10), (1, 12), (4, 2), (11, 0), (12, 0)], 2),  # points beyond the ends change nothing
    ],
)
def test_the_knee_is_farthest_below_the_line_between_the_ends(points, index):
    assert knee(np.array(points, float)) == index
