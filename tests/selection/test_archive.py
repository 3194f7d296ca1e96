"""Fronts against the obvious definition."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles import dominance

from evo_ensyth.selection.archive import Archive, dominates, hypervolume, non_dominated


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_a_front_holds_what_nothing_dominates_once(n_objectives, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, (40, n_objectives)).astype(float)
    subsets = rng.random((40, 9)) < 0.5
    kept, kept_values = non_dominated(subsets, values)
    assert sorted(map(tuple, kept_values)) == dominance.non_dominated(values)
    assert_array_equal(np.sort(kept.sum(axis=1)), kept.sum(axis=1))
    for subset, value in zip(kept, kept_values, strict=True):
        assert any((s == subset).all() and (v == value).all() for s, v in zip(subsets, values, strict=True))


def test_of_equal_values_the_first_stays():
    subsets = np.eye(3, dtype=bool)
    kept, _ = non_dominated(subsets, np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 3.0]]))
    assert_array_equal(kept, subsets[[2, 0]])


def test_adding_in_batches_is_the_same_as_adding_all_at_once():
    rng = np.random.default_rng(1)
    values, subsets = rng.integers(0, 9, (60, 2)).astype(float), rng.random((60, 5)) < 0.5
    archive = Archive(5, np.array([9.0, 9.0]))
    assert archive.add(subsets[:30], values[:30])
    assert not archive.add(subsets[:30], values[:30])
    archive.add(subsets[30:], values[30:])
    kept, kept_values = non_dominated(subsets, values)
    assert_array_equal(archive.subsets, kept)
    assert_array_equal(archive.values, kept_values)
    assert archive.hypervolume == hypervolume(kept_values, [9.0, 9.0])
    assert len(archive) == len(kept)


def test_the_hypervolume_of_steps_is_the_area_under_them():
    values = np.array([[0.0, 3.0], [1.0, 1.0], [2.0, 0.0]])
    assert hypervolume(values, [4.0, 4.0]) == 4 * 1 + 3 * 2 + 2 * 1
    assert hypervolume(values, [1.0, 1.0]) == 0


def test_dominating_takes_one_better_and_none_worse():
    values = np.array([[1.0, 1.0]])
    others = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [0.0, 5.0]])
    assert_array_equal(dominates(values, others), [False, True, True, False])
