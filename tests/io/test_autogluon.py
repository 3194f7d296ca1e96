"""Predictors of AutoGluon: a stand-in for their interface, and the real one where AutoGluon is installed."""

from importlib.util import find_spec

import numpy as np
import pandas
import pytest

import evo_ensyth as ee
from evo_ensyth.errors import InputError

CLASSES = ["cat", "dog", "eel"]
ROWS = [5, 3, 9, 2, 7, 1]  # the index of the training frame
TRUTH = [0, 1, 2, 0, 1, 2]
ANSWERS = {"KNN_BAG_L1": [0, 1, 2, 0, 1, 1], "RF_BAG_L1": [0, 1, 0, 0, 1, 2], "RF_BAG_L1_FULL": TRUTH}
ANSWERS |= {"WeightedEnsemble_L2": TRUTH}
SECONDS = {"KNN_BAG_L1": 0.5, "RF_BAG_L1": 3.0, "RF_BAG_L1_FULL": 1.0, "WeightedEnsemble_L2": 3.6}


class StandIn:
    """What is used of a predictor: predictions and true classes may come in different orders."""

    label, problem_type, class_labels = "animal", "multiclass", CLASSES
    can_predict_proba, has_val = True, False

    def model_names(self, can_infer):
        assert can_infer
        return list(ANSWERS)

    def model_refit_map(self):
        return {"RF_BAG_L1": "RF_BAG_L1_FULL"}

    def load_data_internal(self, data, return_X):
        assert (data, return_X) == ("train", False)
        return None, pandas.Series(TRUTH[::-1], index=ROWS[::-1])

    def transform_labels(self, labels, inverse):
        assert inverse
        return labels.map(CLASSES.__getitem__)

    def predict_proba_multi(self, data, models):
        index = ROWS if data is None else data.index
        frames = {name: np.eye(3)[ANSWERS[name]][: len(index)] * 0.6 + 0.1 for name in models}
        return {name: pandas.DataFrame(scores, index=index, columns=CLASSES) for name, scores in frames.items()}

    def leaderboard(self, data=None):
        what, factor = ("val", 1) if data is None else ("test", 2)
        columns = {
            "model": list(SECONDS)[::-1],
            f"pred_time_{what}": [factor * SECONDS[n] for n in list(SECONDS)[::-1]],
        }
        return pandas.DataFrame(columns | {"fit_time": [4.0, 3.0, 2.0, 1.0]})


def test_models_of_their_own_are_members_with_out_of_fold_scores_and_times():
    pool = ee.Pool.from_autogluon(StandIn())
    assert pool.names == ("KNN_BAG_L1", "RF_BAG_L1")
    assert pool.classes == ("cat", "dog", "eel")
    assert pool.search.y_true.tolist() == TRUTH
    assert pool.search.y_pred.tolist() == [ANSWERS[name] for name in pool.names]
    assert pool.search.has_scores
    assert pool.test is None
    np.testing.assert_allclose(pool.costs["ms_per_row"], [500 / 6, 3000 / 6])
    assert pool.costs["fit_s"].tolist() == [1, 2]


def test_fresh_rows_are_the_test_split():
    fresh = pandas.DataFrame({"x": range(4), "animal": ["cat", "dog", "eel", "eel"]}, index=[10, 12, 14, 16])
    pool = ee.Pool.from_autogluon(StandIn(), test=fresh)
    assert pool.test.y_true.tolist() == [0, 1, 2, 2]
    assert pool.test.y_pred[0].tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(pool.costs["ms_per_row"], [1000 / 4, 6000 / 4])
    with pytest.raises(InputError, match="the test data have no column 'animal' with the true classes"):
        ee.Pool.from_autogluon(StandIn(), test=fresh[["x"]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"can_predict_proba": False, "problem_type": "regression"}, "gives no probabilities .* it is for regression"),
        ({"model_names": lambda can_infer: ["WeightedEnsemble_L2"]}, "has no model beside WeightedEnsemble_L2"),
    ],
)
def test_a_predictor_without_members_is_refused(changes, message):
    predictor = StandIn()
    vars(predictor).update(changes)
    with pytest.raises(InputError, match=message):
        ee.Pool.from_autogluon(predictor)


def test_a_predictor_that_fails_is_reported():
    def fail(data, models):
        raise KeyError("x")

    predictor = StandIn()
    predictor.predict_proba_multi = fail
    with pytest.raises(InputError, match="the predictor cannot predict: KeyError: 'x'"):
        ee.Pool.from_autogluon(predictor)


@pytest.mark.skipif(find_spec("autogluon") is not None, reason="AutoGluon is installed")
def test_what_opens_a_folder_is_named_where_it_is_missing(call, tmp_path):
    (tmp_path / "predictor").mkdir()
    for name in ("predictor.pkl", "learner.pkl"):
        (tmp_path / "predictor" / name).write_bytes(b"")
    said = call("search", "predictor", "--trust")
    assert said.status == 2
    assert "predictor is opened by AutoGluon, which is not installed; run: pip install autogluon.tabular" in said.err


@pytest.mark.skipif(find_spec("autogluon") is None, reason="AutoGluon is not installed")
@pytest.mark.filterwarnings("default")
def test_a_predictor_is_searched_beside_its_weighted_ensemble(tmp_path):
    from autogluon.tabular import TabularPredictor
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    table = load_iris(as_frame=True).frame
    train, fresh = train_test_split(table, test_size=0.5, random_state=0, stratify=table["target"])
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    predictor = TabularPredictor("target", path=str(tmp_path / "predictor"), verbosity=0).fit(
        train,
        hyperparameters={"KNN": {}, "RF": {"n_estimators": 20}, "XT": {"n_estimators": 20}},
        num_bag_folds=3,
        num_stack_levels=0,
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
    )
    pool = ee.load(tmp_path / "predictor", trust=True, test=tmp_path / "fresh.csv")
    board = predictor.leaderboard(fresh).set_index("model")
    np.testing.assert_allclose(1 - pool.test.member_errors / len(fresh), board.loc[list(pool.names), "score_test"])
    out_of_fold = 1 - pool.search.member_errors / len(train)
    np.testing.assert_allclose(out_of_fold, board.loc[list(pool.names), "score_val"])
    run = ee.search(pool, selector="exact", vote="soft")
    scores = {name: frame.to_numpy() for name, frame in predictor.predict_proba_multi(fresh).items()}
    ours = predictor.eval_metric(fresh["target"], run.recommended.predict(scores))
    assert ours == pytest.approx(1 - run.recommended.error("test"))
    assert ours >= board.loc["WeightedEnsemble_L2", "score_test"] - 0.05
    halves = ee.load(tmp_path / "predictor", trust=True)
    assert (halves.search.n_samples, halves.test.n_samples) == (37, 38)
