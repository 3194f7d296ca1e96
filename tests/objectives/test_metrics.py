"""Metrics of classifiers: scikit-learn's values, counts by hand, and intervals from resampling."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import losses as slow
from oracles import votes as naive

from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import InputError
from evo_ensyth.objectives.auc_loss import losses
from evo_ensyth.pool import Members, Votes
from evo_ensyth.results.resampling import resampled_interval

OWN = ("balanced_error", "macro_f1_loss", "auc_loss")


def drawn(n_classes=4, n_samples=90, share=0.0, n_members=5, seed=0):
    """All subsets of members that are better on some classes, of unequal sizes, than on others."""
    rng = np.random.default_rng(seed)
    labels, truth = naive.random_votes(rng, n_members, n_samples, n_classes, 0.5)
    truth[: n_samples // 2] = 0
    labels = np.where(rng.random(labels.shape) < 0.4, truth, labels).astype(int)
    if share:
        labels = naive.silenced(rng, labels, share)
    pool, votes = Members(tuple("abcdefgh"[:n_members])), Votes(labels, truth, n_classes, "search")
    return labels, truth.astype(int), Ensembles(np.array(list(naive.all_subsets(n_members))), pool, votes)


def value(name, ensembles):
    return objectives.judge([objectives.find(name, ensembles.pool)], ensembles)[:, 0]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_metrics_are_those_of_scikit_learn(n_classes):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, truth, ensembles = drawn(n_classes, n_members=4)
    found = {name: value(name, ensembles) for name in OWN}
    for row, subset in enumerate(ensembles.subsets):
        predicted, shares = ensembles.predictions[row], naive.shares(subset, labels, n_classes)
        ranked = shares if n_classes > 2 else shares[:, 1]
        scores = {
            "balanced_error": metrics.balanced_accuracy_score(truth, predicted),
            "macro_f1_loss": metrics.f1_score(truth, predicted, average="macro"),
            "auc_loss": metrics.roc_auc_score(truth, ranked, multi_class="ovr"),
        }
        for name, score in scores.items():
            assert_allclose(found[name][row], 1 - score, atol=1e-12)


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
def test_unanswered_samples_are_errors_of_no_predicted_class(share):
    labels, truth, ensembles = drawn(3, 40, share, n_members=3)
    for row, subset in enumerate(ensembles.subsets):
        predicted = naive.plurality(subset, labels, 3)
        assert_allclose(value("balanced_error", ensembles)[row], slow.balanced_error(predicted, truth), atol=1e-12)
        assert_allclose(value("macro_f1_loss", ensembles)[row], slow.macro_f1_loss(predicted, truth), atol=1e-12)
        shares = naive.shares(subset, labels, 3)
        assert_allclose(ensembles.shares(row), shares, rtol=1e-15)
        assert_allclose(value("auc_loss", ensembles)[row], slow.auc_loss(shares, truth), atol=1e-12)


def test_where_one_class_is_true_a_ranking_is_a_guess():
    assert losses(np.eye(3)[[0, 1, 2]], np.zeros(3, int), np.ones((2, 3), int)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", [*OWN, "sklearn.matthews_corrcoef"])
def test_a_resample_is_judged_as_a_split_of_these_samples(name):
    if name.startswith("sklearn"):
        pytest.importorskip("sklearn")
    _, _, ensembles = drawn(3, 60, 0.2)
    alone = Ensembles(ensembles.subsets[20:21], ensembles.pool, ensembles.votes)
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 7)
    found = objectives.find(name, ensembles.pool).resampled(alone, counts)
    for row, drawn_often in enumerate(counts):
        votes = ensembles.votes.part(samples=np.repeat(np.arange(60), drawn_often))
        again = Ensembles(alone.subsets, ensembles.pool, votes)
        assert_allclose(found[row], value(name, again)[0], atol=1e-12)


@pytest.mark.parametrize("name", OWN)
def test_an_interval_holds_the_value_and_shrinks_with_the_samples(name):
    widths = []
    for n_samples in (100, 1_600):
        _, _, ensembles = drawn(3, n_samples)
        whole = Ensembles(ensembles.subsets[-1:], ensembles.pool, ensembles.votes)
        resampled = objectives.find(name, whole.pool).resampled
        low, high = resampled_interval(lambda counts, r=resampled, w=whole: r(w, counts), n_samples, resamples=400)
        assert low < value(name, whole)[0] < high
        widths.append(high - low)
    assert 2.5 < widths[0] / widths[1] < 6.5  # about the square root of 16


SCORERS = ("balanced_accuracy", "f1_macro", "matthews_corrcoef", "roc_auc_ovr", "neg_log_loss")


@pytest.mark.parametrize("name", SCORERS)
def test_a_scorer_of_scikit_learn_is_its_loss(name):
    metrics = pytest.importorskip("sklearn.metrics")
    labels, truth, ensembles = drawn(3, n_members=3)
    direct = {
        "balanced_accuracy": lambda predicted, shares: 1 - metrics.balanced_accuracy_score(truth, predicted),
        "f1_macro": lambda predicted, shares: 1 - metrics.f1_score(truth, predicted, average="macro"),
        "matthews_corrcoef": lambda predicted, shares: 1 - metrics.matthews_corrcoef(truth, predicted),
        "roc_auc_ovr": lambda predicted, shares: 1 - metrics.roc_auc_score(truth, shares, multi_class="ovr"),
        "neg_log_loss": lambda predicted, shares: metrics.log_loss(truth, shares),
    }
    found = objectives.find(f"sklearn.{name}", ensembles.pool)
    assert found.name == f"sklearn.{name}"
    assert found.unit == ("log_loss" if name == "neg_log_loss" else f"1 - {name}")
    expected = [
        direct[name](ensembles.predictions[row], naive.shares(subset, labels, 3))
        for row, subset in enumerate(ensembles.subsets)
    ]
    assert_array_equal(found.evaluate(ensembles), expected)


def test_a_scorer_that_does_not_exist_is_refused_with_the_nearest():
    pytest.importorskip("sklearn")
    with pytest.raises(InputError, match=r"no scorer of scikit-learn called 'f1_macroo'. Did you mean 'f1_macro'\?"):
        objectives.find("sklearn.f1_macroo", Members(("a",)))


def test_binary_scorers_take_two_classes():
    metrics = pytest.importorskip("sklearn.metrics")
    labels, truth, ensembles = drawn(2)
    whole = naive.shares(ensembles.subsets[-1], labels, 2)[:, 1]
    assert value("sklearn.roc_auc", ensembles)[-1] == 1 - metrics.roc_auc_score(truth, whole)
    with pytest.raises(InputError, match=r"'sklearn\.roc_auc' failed: ValueError"):
        value("sklearn.roc_auc", drawn(3)[2])
