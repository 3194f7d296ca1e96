"""Objectives that look at which samples are wrong, and how clearly, against loops over samples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import losses
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions
from evo_ensyth.objectives.margin_ratio import HOPELESS
from evo_ensyth.pool import Members, Votes


def ensembles(labels, truth, n_classes, subsets=None, split="search"):
    votes = Votes(np.asarray(labels), np.asarray(truth), n_classes, split)
    pool = Members(tuple(f"m{i}" for i in range(votes.n_members)))
    subsets = np.array(list(naive.all_subsets(votes.n_members))) if subsets is None else np.array(subsets, bool)
    return Ensembles(subsets, pool, votes)


def value(name, some):
    return objectives.judge([objectives.find(name, some.pool)], some)[:, 0]


def wrong(some, subset):
    votes = some.votes
    return naive.wrong(subset, votes.y_pred, votes.y_true, votes.n_classes)


@pytest.mark.slow
@pytest.mark.parametrize(("n_members", "n_samples", "n_classes"), [(5, 700, 4), (7, 60, 30), (3, 40, 2)])
def test_errors_are_those_of_each_class_and_of_the_worst(n_members, n_samples, n_classes):
    labels, truth = naive.random_votes(np.random.default_rng(0), n_members, n_samples, n_classes)
    some = ensembles(labels, truth, n_classes + 2)  # nobody and nothing is of the last two
    worst = value("worst_class_error", some)
    for row, subset in enumerate(some.subsets):
        of_class = [wrong(some, subset)[truth == c] for c in range(n_classes + 2)]
        assert some.errors_by_class[row].tolist() == [int(samples.sum()) for samples in of_class]
        assert worst[row] == max(samples.mean() for samples in of_class if len(samples))
    assert_array_equal(value("error_of_class_1", some), some.errors_by_class[:, 1] / (truth == 1).sum())


def test_large_subsets_are_counted_class_by_class_too():
    """Where a few are left out, whole units are decided by the pool's vote, and yet their samples have classes."""
    labels, truth = naive.random_votes(np.random.default_rng(1), 40, 1500, 5, 0.5)
    truth[:20] = 4
    labels[:, :20] = 0  # nobody gets these right
    subsets = np.ones((42, 40), bool)
    subsets[np.arange(40), np.arange(40)] = False
    subsets[41, 20:] = False
    some = ensembles(labels, truth, 5, subsets)
    for row, subset in enumerate(subsets):
        assert_array_equal(some.errors_by_class[row], np.bincount(truth[wrong(some, subset)], minlength=5))


def test_a_class_that_is_not_there_is_refused_while_one_may_still_choose():
    labels, truth = [[0, 1, 1], [0, 2, 1]], [0, 1, 1]
    for name in ("error_of_class_2", "error_of_class_77"):
        with pytest.raises(InputError, match=r"no sample of the search split is of class \d+; there are 0, 1\."):
            value(name, ensembles(labels, truth, 3))
        assert_array_equal(value(name, ensembles(labels, truth, 3, split="test")), [0, 0, 0])


def test_the_margin_ratio_is_that_of_a_loop():
    labels, truth = naive.random_votes(np.random.default_rng(2), 6, 300, 4, 0.5)
    some = ensembles(labels, truth, 4)
    found = value("margin_ratio", some)
    for row, subset in enumerate(some.subsets):
        assert_allclose(found[row], losses.margin_ratio(subset, labels, truth, 4), rtol=1e-12)


def test_a_mean_margin_that_is_not_positive_has_a_hopeless_ratio():
    # right once and wrong once; always wrong; always right, so that nothing varies
    some = ensembles([[0, 1], [1, 1], [0, 0]], [0, 0], 2, np.eye(3))
    assert_array_equal(value("margin_ratio", some), [HOPELESS, HOPELESS, 0])


def test_the_largest_of_any_cost_is_an_objective():
    pool = Members(("a", "b", "c"), costs={"ms": np.array([0.5, 2.0, 1.0]), "largest_kg": np.array([1, 2, 4])})
    some = ensembles([[0], [0], [0]], [0], 1)
    some = Ensembles(some.subsets, pool, some.votes)
    assert_array_equal(objectives.find("largest_ms", pool).evaluate(some), [0.5, 2, 2, 1, 1, 2, 2])
    assert_array_equal(objectives.find("largest_kg", pool).evaluate(some), range(1, 8))
    with pytest.raises(InputError, match=r"Did you mean 'largest_ms'\?"):
        objectives.find("largest_s", pool)


def test_the_paired_error_is_the_error_and_the_spread_of_a_difference():
    labels, truth = naive.random_votes(np.random.default_rng(3), 5, 200, 3, 0.6)
    labels[0, :9] = (truth[:9] + 1) % 3
    some = ensembles(labels, truth, 3)
    for subset, found in zip(some.subsets, value("paired_error", some), strict=True):
        assert_allclose(found, losses.paired_error(subset, labels, truth, 3), rtol=1e-12)
    assert value("paired_error", some)[-1] == wrong(some, np.ones(5, bool)).mean()


def test_resamples_tend_to_the_paired_error():
    labels, truth = naive.random_votes(np.random.default_rng(4), 5, 300, 3, 0.6)
    some = ensembles(labels, truth, 3, [[1, 1, 1, 0, 0]])
    rng = np.random.default_rng(0)
    own, whole = (wrong(some, subset) for subset in (some.subsets[0], np.ones(5, bool)))
    draws = [rng.integers(0, 300, 300) for _ in range(4000)]
    expected = np.mean([own[draw].mean() for draw in draws])
    spread = np.std([own[draw].mean() - whole[draw].mean() for draw in draws])
    found = value("paired_error", some)[0]
    # The spread of 4,000 draws is known to about 1 %.
    assert_allclose(found - own.mean(), spread, rtol=0.04)
    assert_allclose(expected, own.mean(), atol=0.002)


def test_the_worst_group_is_that_of_a_loop():
    labels, truth = naive.random_votes(np.random.default_rng(6), 5, 400, 3, 0.6)
    groups = np.random.default_rng(0).choice([0, 2, 7], 400)
    votes = Votes(labels, truth, 3, "search", groups=groups)
    some = ensembles(labels, truth, 3)
    some = Ensembles(some.subsets, some.pool, votes)
    for subset, found in zip(some.subsets, value("worst_group_error", some), strict=True):
        assert found == max(wrong(some, subset)[groups == group].mean() for group in (0, 2, 7))


def test_groups_come_from_a_file(npz):
    labels, truth = naive.random_votes(np.random.default_rng(6), 3, 40, 3)
    groups = np.arange(40) // 9
    read = read_predictions(npz({"labels": labels, "truth": truth, "groups": groups}), test_share=0.4)
    assert_array_equal(read.test.groups, groups[read.source["test_samples"]])
    assert_array_equal(read.search.groups, np.delete(groups, read.source["test_samples"]))
    named = {"search_labels": labels, "search_truth": truth, "search_groups": groups}
    assert_array_equal(read_predictions(npz(named)).search.groups, groups)
    assert read_predictions(npz({"labels": labels, "truth": truth})).search.groups is None
    with pytest.raises(InputError, match=r"'search_groups' has shape \(39,\), 'search_truth' \(40,\)"):
        read_predictions(npz({**named, "search_groups": groups[1:]}))
    with pytest.raises(InputError, match="one split has groups and the other has none"):
        read_predictions(npz({**named, "test_labels": labels, "test_truth": truth}))


def test_groups_that_do_not_fit_are_refused():
    labels, truth = naive.random_votes(np.random.default_rng(6), 3, 40, 3)
    with pytest.raises(InputError, match="the search split of this pool knows no groups"):
        value("worst_group_error", ensembles(labels, truth, 3))
    with pytest.raises(InputError, match=r"search groups have shape \(3,\); the truth has \(40,\)"):
        Votes(labels, truth, 3, "search", groups=[0, 1, 2])
