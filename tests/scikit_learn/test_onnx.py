"""The chosen estimators as one ONNX file: it gives the labels that the estimator gives."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.sklearn import EnsembleSelector

pytest.importorskip("skl2onnx", reason="the extra 'onnx-sklearn' is not installed")

X, NUMBERS = load_iris(return_X_y=True)
NAMES = load_iris().target_names[NUMBERS]

LABELS = {"text": NAMES, "boolean": NUMBERS == 1, "float": NUMBERS / 1}


@pytest.fixture(autouse=True)
def _few_measurements(monkeypatch):
    """How long anything takes does not matter here."""
    monkeypatch.setattr("evo_ensyth.deployment.timing.ROUNDS", 3)
    monkeypatch.setattr("evo_ensyth.deployment.timing.LEAST", 1e-6)


def fitted(y, voting):
    members = [
        ("forest", RandomForestClassifier(4, max_depth=2, random_state=0)),
        ("scaled", make_pipeline(StandardScaler(), GaussianNB())),
        ("tree", FrozenEstimator(DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y))),
    ]
    members += [("ridge", RidgeClassifier())] if voting != "soft" else []
    selector = EnsembleSelector(members, voting=voting, pick=4, selector="whole_pool", cv=2, budget=9, random_state=0)
    return selector.fit(X[::2], y[::2])


@pytest.mark.parametrize(
    ("voting", "kind"),
    [
        ("hard", "text"),
        ("soft", "text"),
        ("log_odds", "text"),
        ("hard", "boolean"),
        ("soft", "float"),
    ],
)
def test_the_file_gives_the_labels_of_the_estimator(voting, kind, tmp_path):
    selector = fitted(LABELS[kind], voting)

    found = selector.to_onnx(tmp_path / "model.onnx", X)

    assert len(selector.estimators_) >= 3
    assert found.n_differing == 0
    label, share = session_of((tmp_path / "model.onnx").read_bytes(), "model").run(None, {"input": X})
    assert label.tolist() == selector.predict(X).tolist()
    assert share == pytest.approx(selector.vote_share(X), abs=1e-6)
    assert ee.verify(tmp_path / "model.onnx", X).n_differing == 0
    assert found.card["labels"] == selector.classes_.tolist()


def test_ties_of_a_forest_between_two_classes_go_where_scikit_learn_has_them(tmp_path):
    samples = X[:, :2] + np.random.default_rng(0).normal(0, 0.3, (150, 2))
    forest = RandomForestClassifier(6, random_state=0).fit(samples[::2], NUMBERS[::2] == 1)
    assert (forest.predict_proba(samples)[:, 0] == 0.5).sum() > 5

    selector = EnsembleSelector([("forest", FrozenEstimator(forest))], budget=1).fit(samples, NUMBERS == 1)

    assert selector.to_onnx(tmp_path / "model.onnx", samples).n_differing == 0


def test_a_file_that_is_there_is_kept(tmp_path):
    (tmp_path / "model.onnx").write_text("mine")

    with pytest.raises(ee.InputError, match="is there already"):
        fitted(NAMES, "hard").to_onnx(tmp_path / "model.onnx", X)
    assert (tmp_path / "model.onnx").read_text() == "mine"


def test_labels_that_differ_leave_no_file(tmp_path, monkeypatch):
    selector = fitted(NAMES, "hard")
    others = {name: (answer + 1) % 3 for name, answer in selector._answers(X).items()}
    monkeypatch.setattr(selector, "_answers", lambda samples: others)

    with pytest.raises(ee.InputError, match="is not written: 150 of 150 labels differ"):
        selector.to_onnx(tmp_path / "model.onnx", X)
    assert not list(tmp_path.iterdir())
