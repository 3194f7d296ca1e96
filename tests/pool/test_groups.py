"""Groups of any values, and splits that keep them together."""

import re

import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.pool.groups import coded_groups
from evo_ensyth.pool.splitting import test_samples as draw_test_samples

KINDS = {
    "text": np.array(["b", "a", "b", "c"]),
    "bytes": np.array([b"b", b"a", b"b", b"c"]),
    "objects": np.array(["b", "a", "b", "c"], dtype=object),
    "a list": ["b", "a", "b", "c"],
    "large ids": np.array([70_001, 5, 70_001, 10**12]),
    "ids beyond int64": np.array([2**64 - 2, 5, 2**64 - 2, 2**64 - 1], np.uint64),
    "an unknown group of -1": np.array([0, -1, 0, 2]),
    "dates": np.array(["2024-05-02", "2024-05-01", "2024-05-02", "2025-01-01"], "datetime64[D]"),
    "real numbers": np.array([0.5, 0.25, 0.5, 2.0]),
    "a pandas column": pandas.Series(["b", "a", "b", "c"], dtype="category"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_values_become_codes_in_their_order(kind):
    (codes,) = coded_groups({"groups": KINDS[kind]}).values()
    assert codes.dtype == np.int64
    assert codes.tolist() == [1, 0, 1, 2]


def test_truth_values_and_small_whole_numbers_are_codes_already():
    assert coded_groups({"groups": np.array([True, False, True])})["groups"].tolist() == [1, 0, 1]
    assert coded_groups({"groups": np.array([7, 65_535, 3], np.uint16)})["groups"].tolist() == [7, 65_535, 3]


def test_codes_mean_the_same_in_both_splits():
    codes = coded_groups({"search": np.array(["x", "z"]), "test": np.array(["y", "x", "z"])})
    assert codes["search"].tolist() == [0, 2]
    assert codes["test"].tolist() == [1, 0, 2]
    mixed = coded_groups({"search": np.array([2**53 + 1, 0]), "test": np.array([2**53], np.uint64)})
    assert mixed["search"].tolist() == [2, 0]
    assert mixed["test"].tolist() == [1]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"groups": np.array([0, np.nan])}, "groups have no value for sample 1; give every sample a group"),
        ({"groups": ["a", None]}, "groups have no value for sample 1"),
        ({"groups": np.array(["2024-01-01", "NaT"], "datetime64[D]")}, "groups have no value for sample 1"),
        ({"groups": np.zeros((2, 2))}, "groups have shape (2, 2); expected (n_samples,)"),
        ({"groups": np.array([1j, 2])}, "groups have type complex128; groups are numbers, text or dates"),
        ({"one": ["a"], "other": [1]}, "one and other are text and numbers; give values of one type"),
    ],
)
def test_what_is_no_group_is_refused_in_words_about_groups(parts, message):
    with pytest.raises(InputError, match=re.escape(message)):
        coded_groups(parts)


def test_votes_and_pools_take_groups_of_any_values():
    labels, truth = np.array([[0, 1, 1, 0]]), np.array([0, 1, 0, 0])
    assert Votes(labels, truth, 2, "search", groups=KINDS["text"]).groups.tolist() == [1, 0, 1, 2]
    with pytest.raises(InputError, match=r"search groups have shape \(2,\); the truth has \(4,\)"):
        Votes(labels, truth, 2, "search", groups=np.array(["a", "b"]))
    test = (labels[:, :2], truth[:2])
    pool = Pool.from_predictions(labels, truth, test=test, groups=KINDS["text"], test_groups=["c", "a"])
    assert pool.search.groups.tolist() == [1, 0, 1, 2]
    assert pool.test.groups.tolist() == [2, 0]
    for given in ({"groups": KINDS["text"]}, {"test_groups": ["c", "a"]}):
        with pytest.raises(InputError, match="give groups for both splits, as groups and test_groups, or for none"):
            Pool.from_predictions(labels, truth, test=test, **given)
    with pytest.raises(InputError, match="give groups for both splits"):
        Pool.from_predictions(labels, truth, test_groups=["c", "a"])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
def test_without_groups_every_class_is_split_in_the_same_proportion(share, seed):
    truth = np.random.default_rng(0).permutation(np.repeat(np.arange(5), [1, 2, 40, 157, 300]))
    test, how = draw_test_samples(truth, None, share, seed)
    assert how == "stratified by class"
    assert len(test) == round(share * 500)
    assert (np.diff(test) > 0).all()
    sizes = np.bincount(truth, minlength=5)
    assert (np.abs(np.bincount(truth[test], minlength=5) - share * sizes) < 1).all()
    assert_array_equal(draw_test_samples(truth, None, share, seed)[0], test)


def test_each_sample_is_drawn_as_often_as_the_others():
    truth = np.repeat(np.arange(4), [1, 5, 14, 20])
    drawn = [draw_test_samples(truth, None, 0.5, seed)[0] for seed in range(2_000)]
    often = np.bincount(np.concatenate(drawn), minlength=40) / 2_000
    assert np.abs(often - 0.5).max() < 0.05  # four standard deviations


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_groups_stay_together_and_come_as_near_to_the_share_as_they_can(share):
    rng = np.random.default_rng(2)
    groups = rng.permutation(np.repeat(np.arange(40), 15))
    test, how = draw_test_samples(rng.integers(0, 3, 600), groups, share, 0)
    assert how == "groups stay together"
    assert len(test) == share * 600
    assert not set(groups[test]) & set(np.delete(groups, test))
    assert_array_equal(draw_test_samples(np.zeros(600), groups, share, 0)[0], test)
    others = draw_test_samples(np.zeros(600), groups, share, 1)[0]
    assert set(groups[others]) != set(groups[test])


def test_large_groups_leave_something_in_both_splits():
    groups = np.array([0] * 50 + [1] * 3)
    for share in (0.01, 0.5, 0.99):
        test, _ = draw_test_samples(np.zeros(53), groups, share, 0)
        assert 0 < len(test) < 53
    assert len(draw_test_samples(np.zeros(53), groups, 0.0, 0)[0]) == 0
    with pytest.raises(InputError, match="all samples are of one group, which cannot be in both splits; use"):
        draw_test_samples(np.zeros(5), np.zeros(5), 0.5, 0)
