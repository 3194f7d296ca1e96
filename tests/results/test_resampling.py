"""Intervals from resampling: loops over resamples, known limits, and how often they cover the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import statistics
from scipy.stats import t

from evo_ensyth.results import resampling
from evo_ensyth.results.resampling import cluster_intervals, resampled_interval
from evo_ensyth.results.statistics import interval


def cluster_interval(wrong, groups, level=0.95, seed=0):
    """The interval of one ensemble, and the same among others."""
    alone, among = cluster_intervals(wrong[None], groups, level, seed), np.stack([~wrong, wrong, wrong])
    assert cluster_intervals(among, groups, level, seed)[1:] == alone * 2
    return alone[0]


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_that_of_resamples_drawn_one_by_one(level):
    rng = np.random.default_rng(0)
    groups = np.repeat([7, 3, 40, 11, 5, 2, 90, 1], rng.integers(1, 9, 8))
    wrong = rng.random(len(groups)) < 0.2 + 0.5 * (groups < 4)
    assert_allclose(
        cluster_interval(wrong, groups, level, 3), statistics.cluster_interval(wrong, groups, level, 3), rtol=1e-9
    )


def test_it_depends_on_the_seed_and_neither_on_codes_nor_on_the_order_of_samples():
    rng = np.random.default_rng(1)
    groups, wrong = rng.integers(0, 30, 400), rng.random(400) < 0.1
    found = cluster_interval(wrong, groups)
    assert cluster_interval(wrong, groups * 10**6 + 5) == found
    order = rng.permutation(400)
    assert cluster_interval(wrong[order], groups[order]) == found
    assert cluster_interval(wrong, groups, seed=1) != found


def test_samples_drawn_in_parts_are_those_drawn_at_once(monkeypatch):
    rng = np.random.default_rng(2)
    groups, wrong = rng.integers(0, 30, 400), rng.random(400) < 0.1
    found = cluster_interval(wrong, groups)
    monkeypatch.setattr(resampling, "DRAWN", 1_000)
    assert cluster_interval(wrong, groups) == found


def test_groups_of_one_sample_each_give_nearly_wilsons_interval():
    wrong = np.random.default_rng(3).random(2_000) < 0.07
    assert_allclose(cluster_interval(wrong, np.arange(2_000)), interval(int(wrong.sum()), 2_000), atol=0.001)


def test_copies_of_samples_add_nothing():
    wrong = np.random.default_rng(4).random(60) < 0.2
    once = cluster_interval(wrong, np.arange(60))
    assert_allclose(cluster_interval(np.repeat(wrong, 15), np.repeat(np.arange(60), 15)), once, rtol=1e-9)


@pytest.mark.parametrize("error", [0, 1])
def test_without_spread_every_group_counts_once(error):
    low, high = cluster_interval(np.full(300, bool(error)), np.repeat(np.arange(20), 15))
    z = t.ppf(0.975, 19)
    assert_allclose((low, high), (0, z**2 / (20 + z**2)) if not error else (20 / (20 + z**2), 1), atol=1e-12)


def test_one_group_says_nothing():
    assert cluster_interval(np.array([True, False, False]), np.zeros(3, int)) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("n_groups", "correlation"), [(20, 1.0), (40, 0.2), (40, 0.0)])
def test_it_covers_the_truth_as_often_as_it_says(n_groups, correlation, monkeypatch):
    """Of 400 draws, 95 % less three standard deviations is 367; plain Wilson covers 200 where slices are copies."""
    monkeypatch.setattr(resampling, "RESAMPLES", 400)
    rng = np.random.default_rng(5)
    groups, error = np.repeat(np.arange(n_groups), 15), 0.1
    covered = plain = 0
    for seed in range(400):
        own = rng.random(n_groups) < error
        wrong = np.where(rng.random(len(groups)) < correlation, own[groups], rng.random(len(groups)) < error)
        low, high = cluster_interval(wrong, groups, seed=seed)
        covered += low <= error <= high
        low, high = interval(int(wrong.sum()), len(wrong))
        plain += low <= error <= high
    assert covered >= 367
    assert correlation < 1 or plain < 300


@pytest.mark.parametrize("grouped", [False, True])
def test_any_metric_has_the_percentiles_of_its_resamples(grouped):
    rng = np.random.default_rng(6)
    values, groups = rng.normal(size=50), rng.integers(0, 9, 50) if grouped else None
    found = resampled_interval(lambda counts: counts @ values / counts.sum(axis=1), 50, groups, 0.9, seed=2)
    again = np.random.default_rng(2)
    means = []
    for drawn in again.integers(0, 9 if grouped else 50, (2_000, 9 if grouped else 50)):
        sample = [values[i] for unit in drawn for i in (np.flatnonzero(groups == unit) if grouped else [unit])]
        means.append(np.mean(sample))
    assert_allclose(found, np.quantile(means, [0.05, 0.95]), rtol=1e-9)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(7).normal(size=900)
    found = resampled_interval(lambda counts: counts @ values / counts.sum(axis=1), 900)
    reach = 1.96 * values.std() / 30
    assert_allclose(found, (values.mean() - reach, values.mean() + reach), atol=0.006)
