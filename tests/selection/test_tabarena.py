"""The ensembler inside TabArena, or inside a stand-in for its interface where it is not installed."""

import sys
from importlib.util import find_spec
from itertools import combinations
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from evo_ensyth.errors import InputError

INSTALLED = find_spec("tabarena") is not None
N_MODELS, N_ROWS = 6, 80


class StandIn:
    """What a weighted ensembler of TabArena inherits, as far as it is used here."""

    def __init__(self, *, problem_type, metric):
        self.problem_type, self.metric = problem_type, metric

    def fit(self, *, predictions, labels, time_limit=None):
        self._fit(predictions=predictions, labels=labels, time_limit=time_limit)
        return self

    def predict_proba(self, predictions):
        return np.tensordot(self.weights_, predictions, axes=1)

    def model_weights(self):
        return self.weights_

    def models_used(self):
        return self.weights_ != 0

    def _score_error(self, labels, mean):
        return self.metric.error(labels, mean)


@pytest.fixture
def ensembler(monkeypatch):
    if not INSTALLED:
        names = ["tabarena", "tabarena.simulation", "tabarena.simulation.ensemble"]
        for name in names:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[names[-1]].WeightedEnsembler = StandIn
        monkeypatch.delitem(sys.modules, "evo_ensyth.selection.tabarena", raising=False)
    from evo_ensyth.selection.tabarena import EvoEnsythEnsembler

    return EvoEnsythEnsembler


def metric(labels, scores):
    """Half of the mean squared distance from the true class."""
    truth = np.eye(scores.shape[-1])[labels] if scores.ndim == 2 else labels
    return float(((scores - truth) ** 2).mean())


SQUARED = SimpleNamespace(name="squared", error=metric, needs_pred=False, needs_quantile=False)


def task(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(0, n_classes, N_ROWS)
    scores = np.eye(n_classes)[labels] + rng.random((N_MODELS, N_ROWS, n_classes)) * rng.uniform(1, 4, (N_MODELS, 1, 1))
    scores /= scores.sum(axis=2, keepdims=True)
    return (scores if n_classes > 2 else scores[:, :, 1]), labels


def errors_by_hand(scores, labels, largest):
    return {
        members: metric(labels, scores[list(members)].mean(axis=0))
        for size in range(1, largest + 1)
        for members in combinations(range(N_MODELS), size)
    }


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("largest", [2, 6])
def test_the_mean_of_the_models_with_the_lowest_error_is_found(ensembler, n_classes, largest):
    scores, labels = task(n_classes)
    kind = "binary" if n_classes == 2 else "multiclass"
    one = ensembler(problem_type=kind, metric=SQUARED, max_size=largest, recommend="lowest_error")
    one.fit(predictions=scores, labels=labels)
    errors = errors_by_hand(scores, labels, largest)
    best = min(errors, key=lambda members: (errors[members], len(members)))
    assert one.models_used().nonzero()[0].tolist() == list(best)
    assert one.info() == {"members": list(best), "error_val": pytest.approx(errors[best])}
    np.testing.assert_allclose(one.predict_proba(scores), scores[list(best)].mean(axis=0))
    assert one.model_weights().sum() == pytest.approx(1)


def test_the_size_rule_gives_up_a_twentieth_of_the_gain(ensembler):
    scores, labels = task(3)
    one = ensembler(problem_type="multiclass", metric=SQUARED).fit(predictions=scores, labels=labels)
    errors = errors_by_hand(scores, labels, N_MODELS)
    lowest = {size: min(e for m, e in errors.items() if len(m) == size) for size in range(1, N_MODELS + 1)}
    enough = min(lowest.values()) + 0.05 * (lowest[1] - min(lowest.values()))
    assert len(one.info()["members"]) == min(size for size, error in lowest.items() if error <= enough)


def test_probabilities_of_the_true_class_are_searched_as_they_are(ensembler):
    scores, labels = task(3)
    of_truth = scores[:, np.arange(N_ROWS), labels]
    loss = SimpleNamespace(
        name="log_loss",
        error=lambda labels, chances: float(-np.log(chances).mean()),
        preprocess_bulk=None,
        needs_pred=False,
        needs_quantile=False,
    )
    one = ensembler(problem_type="binary", metric=loss, recommend="lowest_error")
    one.fit(predictions=of_truth, labels=labels)
    best = min(
        (members for size in range(1, 7) for members in combinations(range(N_MODELS), size)),
        key=lambda members: -np.log(of_truth[list(members)].mean(axis=0)).mean(),
    )
    assert one.info()["members"] == list(best)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"problem_type": "regression"}, "the problem is regression; this ensembler takes binary and multiclass"),
        ({"problem_type": "binary", "recommend": "best"}, "recommend is 'best'; expected size_rule or lowest_error"),
    ],
)
def test_what_it_cannot_do_is_refused(ensembler, settings, message):
    with pytest.raises(InputError, match=message):
        ensembler(metric=SQUARED, **settings)


@pytest.mark.skipif(not INSTALLED, reason="tabarena is not installed")
def test_it_runs_inside_tabarena(ensembler):
    from tabarena.simulation.context_artificial import load_repo_artificial

    repository = load_repo_artificial(problem_type="multiclass", n_classes=25)
    dataset, fold = repository.tasks()[0]
    results, weights = repository.evaluate_ensemble(
        dataset, fold, ensemble_kwargs={"ensembler_cls": ensembler, "ensembler_kwargs": {"max_size": 2}}
    )
    assert len(results) == 1
    assert weights.to_numpy().sum() == pytest.approx(1)
