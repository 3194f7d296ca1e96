"""`EnsembleSelector`: what it chooses, and that it votes as the package does."""

import pickle
import sys
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

import evo_ensyth as ee
from evo_ensyth.sklearn import EnsembleSelector, choice

X, NUMBERS = load_iris(return_X_y=True)
X = X[:, :2] + np.random.default_rng(0).normal(0, 0.3, (150, 2))  # so that no member is right alone
NAMES = load_iris().target_names[NUMBERS]


def trees(n=5):
    """Decision trees that differ."""
    return [(f"tree{i}", DecisionTreeClassifier(max_depth=3, max_features=1, random_state=i)) for i in range(n)]


def small(members=None, **settings):
    """A selector that takes little time."""
    return EnsembleSelector(members or trees(), **{"budget": 100, "cv": 2, "random_state": 0, **settings})


def frozen(y, n=6):
    """Estimators fitted to half of the samples."""
    return [(name, FrozenEstimator(tree.fit(X[::2], y[::2]))) for name, tree in trees(n)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of members: some checks give them a class with a single sample
@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_it_is_an_estimator_by_all_checks_of_scikit_learn(voting):
    members = [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=2)), ("stump", trees(1)[0][1])]

    results = check_estimator(EnsembleSelector(members, voting=voting, budget=20, cv=2), on_fail=None, on_skip=None)

    assert [(result["check_name"], result["exception"]) for result in results if result["status"] == "failed"] == []
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}  # it needs a variable of the environment
    assert len(results) > 50


RULES = [
    "hard",
    "plurality",
    "soft",
    "half",
    "log_odds",
    ee.voting.Plurality(ties="scores"),
    ee.voting.Soft(temper=False),
]


@pytest.mark.parametrize(
    ("voting", "y"), [*((rule, NAMES) for rule in RULES), ("soft", NUMBERS), ("hard", NUMBERS == 1)]
)
def test_it_votes_as_the_package_does(voting, y):
    selector = small(voting=voting, pick=3).fit(X, y)

    scores = voting in ("soft", "half") or isinstance(voting, ee.voting.Plurality | ee.voting.Soft)
    members = selector.named_estimators_.items()
    answers = {name: member.predict_proba(X) if scores else member.predict(X) for name, member in members}
    votes = selector.ensemble_.predict(answers)
    assert selector.predict(X).tolist() == votes.tolist()
    assert selector.predict(X).dtype == y.dtype
    assert (selector.vote_share(X) == selector.ensemble_.predict_proba(answers)).all()
    assert hasattr(selector, "predict_proba") == (voting in ("soft", "half") or isinstance(voting, ee.voting.Soft))


@pytest.mark.parametrize("labels", [["10", "9", "b"], ["1", "10", "2"], [" ", "a", "b"], [1.0, 2.0, 5.0], [-1, 0, 1]])
def test_labels_that_the_package_writes_in_another_way_come_back_as_they_are(labels):
    y = np.array(labels)[NUMBERS]

    selector = small(pick=3).fit(X, y)

    plain = small(pick=3).fit(X, np.searchsorted(np.unique(y), y))
    assert selector.classes_.tolist() == sorted(labels)
    assert selector.predict(X).tolist() == np.unique(y)[plain.predict(X)].tolist()
    assert selector.predict(X).dtype == y.dtype


def test_what_it_chooses_is_what_a_search_of_the_out_of_fold_answers_recommends():
    folds = StratifiedKFold(4, shuffle=True, random_state=7)
    selector = small(cv=folds, random_state=3).fit(X, NAMES)

    answers = {name: cross_val_predict(tree, X, NAMES, cv=folds) for name, tree in trees()}
    pool = ee.Pool.from_predictions(answers, NAMES)
    run = ee.search(pool, baselines=(), budget=100, vote="plurality")
    assert selector.out_of_fold_.keys() == answers.keys()
    assert all((selector.out_of_fold_[name] == answers[name]).all() for name in answers)
    assert selector.front_ == run.front.to_dict()
    assert selector.selected_names_ == list(run.recommended.members)
    assert selector.run_.classes == run.classes
    assert selector.support_.tolist() == [name in selector.selected_names_ for name, _ in trees()]
    whole = dict(trees())["tree0"].fit(X, NAMES)
    fitted = small([("tree0", trees()[0][1])]).fit(X, NAMES).estimators_[0]
    assert (fitted.tree_.threshold == whole.tree_.threshold).all()


def test_frozen_members_are_asked_and_stay_as_they_are():
    members = frozen(NAMES)

    selector = small(members).fit(X[1::2], NAMES[1::2])

    assert all(selector.named_estimators_[name] is dict(members)[name] for name in selector.selected_names_)
    for name, member in members:
        assert (selector.out_of_fold_[name] == member.predict(X[1::2])).all()


class Rule(ClassifierMixin, BaseEstimator):
    """Was never fitted to anything."""

    def fit(self, X, y):
        raise AssertionError("a frozen member was fitted")

    def predict(self, X):
        return np.where(X[:, 0] < 5.5, "setosa", "virginica")


def test_a_frozen_member_may_be_a_rule_that_was_never_fitted():
    selector = small([("rule", FrozenEstimator(Rule()))]).fit(X, NAMES)

    assert (selector.predict(X) == Rule().predict(X)).all()


def test_text_labels_of_frozen_members_under_hard_votes_which_voting_classifier_refuses():
    members = frozen(NAMES)
    theirs = VotingClassifier(members, voting="hard").fit(X[1::2], NAMES[1::2])
    with pytest.raises(TypeError, match="Cannot cast array data"):
        theirs.predict(X)

    ours = small(members).fit(X[1::2], NAMES[1::2])

    assert (ours.predict(X) == NAMES).mean() > 0.6
    # Members that are not frozen are fitted to text as well, so that each of them can be used alone.
    assert set(small().fit(X, NAMES).estimators_[0].predict(X)) <= set(NAMES)


def test_frozen_members_may_know_classes_that_are_not_in_y():
    some = np.flatnonzero(NUMBERS != 2)
    selector = small([*frozen(NAMES), *trees(1)][1:], voting="soft", cv=2).fit(X[some], NAMES[some])

    assert selector.classes_.tolist() == sorted(set(NAMES))
    assert selector.vote_share(X).shape == (150, 3)


def test_probabilities_of_a_member_that_knows_fewer_classes_find_their_columns():
    two = FrozenEstimator(DecisionTreeClassifier(max_depth=1).fit(X[NUMBERS > 0], NAMES[NUMBERS > 0]))

    selector = small([("two", two)], voting="soft").fit(X, NAMES)

    assert (selector.predict(X) == two.predict(X)).all()
    assert not selector.out_of_fold_["two"][:, 0].any()
    assert (selector.out_of_fold_["two"][:, 1:] == two.predict_proba(X)).all()


def test_a_member_that_was_fitted_to_places_of_classes_is_named():
    with pytest.raises(ee.InputError, match="'tree0' answers 0, which is none of the classes 'setosa', 'versicolor'"):
        small(frozen(NUMBERS)).fit(X, NAMES)
    with pytest.raises(ee.InputError, match="'tree0' answers 'setosa', which is none of the classes 0, 1, 2 of y"):
        small(frozen(NAMES)).fit(X, NUMBERS)


class Column(ClassifierMixin, BaseEstimator):
    """Answers with a column, as some libraries do, and is no classifier of all the classes."""

    def fit(self, X, y, sample_weight=None):
        self.classes_, self.weight_ = np.unique(y), sample_weight
        self.tree_ = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y)
        return self

    def predict(self, X):
        return self.tree_.predict(X)[:, None]


def test_labels_in_a_column_are_labels():
    selector = small([("column", Column())]).fit(X, NAMES)

    assert selector.predict(X).shape == (150,)


@pytest.mark.filterwarnings("ignore")  # scikit-learn tells of the class
def test_a_class_with_fewer_samples_than_folds_is_among_the_columns():
    few = [*range(100), 149]
    selector = small(voting="soft").fit(X[few], NAMES[few])

    assert selector.out_of_fold_["tree0"].shape == (101, 3)


def test_grid_search_of_a_pipeline_over_what_to_pick_and_how_to_vote():
    grid = {"select__pick": [1, "knee"], "select__voting": ["hard", "soft"]}
    pipeline = Pipeline([("scale", StandardScaler()), ("select", small(trees(3), cv=2))])

    found = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, NAMES)

    assert len(found.cv_results_["params"]) == 4
    assert found.best_score_ > 0.6
    assert set(found.predict(X)) == set(NAMES)


@pytest.mark.parametrize(("pick", "size"), [(1, 1), (3, 3), (1_000, 5)])
def test_a_number_picks_the_largest_size_up_to_it(pick, size):
    selector = small(pick=pick).fit(X, NAMES)

    sizes = [row["size"] for row in selector.front_]
    assert len(selector.estimators_) == max(found for found in sizes if found <= size)


def test_a_size_that_the_front_lacks_falls_back_to_the_nearest_smaller_one():
    run = small(cv=3).fit(X, NAMES).run_
    two_apart = replace(run, front=replace(run.front, ensembles=(run.front[0], run.front[-1])), recommended_index=0)

    assert choice.picked(two_apart, 2).size == run.front[0].size == 1
    large = replace(run, front=replace(run.front, ensembles=(run.front[-1],)), recommended_index=0)
    with pytest.raises(ee.InputError, match="no ensemble of 2 members is on this front; the nearest in size has"):
        choice.picked(large, 2)


def test_costs_are_minimised_and_may_be_limited():
    costs = {"ms": [9, 1, 1, 9, 1]}
    selector = small(costs=costs, pick={"ms": 3}).fit(X, NAMES)

    assert selector.run_.objectives == ("smoothed_error", "ms")
    assert selector.ensemble_.costs["ms"] <= 3
    dropped = small(costs=costs).set_params(tree0="drop").fit(X, NAMES)
    assert dropped.run_.n_members == 4
    assert not dropped.support_[0]
    assert max(ensemble.costs["ms"] for ensemble in dropped.run_.front) <= 12
    only = small(costs=costs, objectives=["error", "n_members"]).fit(X, NAMES)
    assert only.run_.objectives == ("error", "n_members")


def test_clone_pickle_and_set_output():
    selector = small(voting=ee.voting.Soft(), selector=ee.selectors.NSGA2(population=20)).fit(X, NAMES)

    assert "estimators_" not in vars(clone(selector))
    assert (pickle.loads(pickle.dumps(selector)).predict(X) == selector.predict(X)).all()  # noqa: S301 - our own
    frame = selector.set_output(transform="pandas").transform(X)
    assert frame.shape == (150, 3 * len(selector.estimators_))
    assert frame.columns[0] == f"ensembleselector_{selector.selected_names_[0]}0"
    assert (frame.to_numpy()[:, :3] == selector.estimators_[0].predict_proba(X)).all()
    labels = small().fit(X, NAMES).set_output(transform="pandas")
    assert (labels.transform(X).iloc[:, 0] == labels.estimators_[0].predict(X)).all()


def test_the_chosen_make_a_voting_classifier_that_answers_the_same():
    selector = small(voting=ee.voting.Soft(temper=False), pick=3).fit(X, NAMES)
    chosen = [pair for pair in selector.estimators if pair[0] in selector.selected_names_]

    theirs = VotingClassifier(chosen, voting="soft").fit(X, NAMES)

    assert (theirs.predict(X) == selector.predict(X)).all()
    assert theirs.predict_proba(X) == pytest.approx(selector.predict_proba(X), abs=1e-4)


def test_the_same_seed_chooses_the_same_whatever_the_number_of_jobs():
    with joblib.parallel_config(backend="threading"):
        one, two = (small(n_jobs=n).fit(X, NAMES) for n in (1, 2))

    assert one.front_ == two.front_
    assert one.run_.seed == two.run_.seed
    assert small(random_state=1).fit(X, NAMES).run_.seed != one.run_.seed


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_weights_are_refused_where_no_member_asks_for_them():
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        small().fit(X, NAMES, sample_weight=np.ones(150))
    with pytest.raises(TypeError, match="unexpected argument"):
        small(frozen(NAMES)).fit(X, NAMES, sample_weight=np.ones(150))


@pytest.mark.usefixtures("routing")
def test_weights_reach_the_members_that_ask_for_them_under_their_name_for_them():
    weights = np.arange(150.0)
    asking, silent = Column().set_fit_request(sample_weight="importance"), Column().set_fit_request(sample_weight=False)

    selector = small([("asking", asking), ("silent", silent)], pick=1).fit(X, NAMES, importance=weights)

    assert selector.selected_names_ == ["asking"]
    assert (selector.estimators_[0].weight_ == weights).all()
    tree = trees(1)[0][1].set_fit_request(sample_weight="importance")
    held_out = cross_val_predict(tree, X, NAMES, cv=2, params={"importance": weights**3})
    weighted = small([("tree", tree)]).fit(X, NAMES, importance=weights**3)
    assert (weighted.out_of_fold_["tree"] == held_out).all()
    assert (weighted.out_of_fold_["tree"] != small(trees(1)).fit(X, NAMES).out_of_fold_["tree0"]).any()


@pytest.mark.usefixtures("routing")
def test_groups_stay_together_in_folds_and_in_the_estimate():
    groups = np.arange(150) % 10
    selector = small(cv=GroupKFold(5)).fit(X, NAMES, groups=groups)

    held_out = cross_val_predict(trees()[0][1], X, NAMES, cv=GroupKFold(5), params={"groups": groups})
    assert (selector.out_of_fold_["tree0"] == held_out).all()
    assert set(selector.ensemble_.intervals) == {"search"}


def test_samples_may_be_sparse_or_a_frame():
    frame = pd.DataFrame(X, columns=["length", "width"])
    selector = small().fit(frame, pd.Series(NAMES))

    assert selector.feature_names_in_.tolist() == ["length", "width"]
    assert selector.n_features_in_ == 2
    assert (selector.predict(frame) == small().fit(X, NAMES).predict(X)).all()
    assert len(small().fit(csr_array(X), NAMES).predict(csr_array(X))) == 150


def test_a_missing_value_is_refused_even_if_the_chosen_would_take_it():
    holes = np.where(np.arange(300).reshape(150, 2) == 7, np.nan, X)
    mixed = small([*trees(1), ("near", KNeighborsClassifier())], pick=1, costs={"ms": [1, 9]}, objectives="ms")
    mixed.fit(X, NAMES)
    assert mixed.selected_names_ == ["tree0"]
    with pytest.raises(ValueError, match="contains NaN"):
        mixed.predict(holes)

    assert len(small().fit(holes, NAMES).predict(holes)) == 150
    # `Column` does not say that it takes them, and does.
    assert len(small([("column", Column())]).fit(holes, NAMES).predict(holes)) == 150


def test_its_html_stays_small():
    members = [(name, make_pipeline(StandardScaler(), tree)) for name, tree in trees(8)]
    ready = [(name, FrozenEstimator(member.fit(X, NAMES))) for name, member in members]

    assert len(small(members)._repr_html_()) < 50_000
    assert len(small(ready).fit(X, NAMES)._repr_html_()) < 50_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": [("tree", "drop")]}, "all estimators are dropped; at least one is needed"),
        ({"members": [DecisionTreeClassifier()]}, r"estimators must be a list of pairs \(name, classifier\)"),
        ({"members": [("scale", StandardScaler())]}, "'scale' is a StandardScaler; expected a classifier"),
        ({"members": [("column", Column())], "voting": "soft"}, "'column' has no predict_proba, which this vote needs"),
        ({"members": [*trees(1), *trees(1)]}, "Names provided are not unique"),
        ({"voting": "sofd"}, "no vote called 'sofd'. Did you mean 'soft'"),
        ({"pick": "kneee"}, "no rule called 'kneee'. Did you mean 'knee'"),
        ({"pick": 2.5}, "pick is 2.5; expected the name of a rule, a number of members, or limits of costs"),
        ({"pick": {"ms": 1}}, "no cost in this run called 'ms'"),
        ({"costs": {"ms": [1, 2]}}, r"the cost 'ms' has shape \(2,\); expected a number for each of the 5 estimators"),
        ({"selector": "nsga"}, "no selector called 'nsga'"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as refusal:
        small(**settings).fit(X, NAMES)
    assert "\n" not in str(refusal.value)


def test_it_must_be_fitted():
    for method in ("predict", "transform", "vote_share"):
        with pytest.raises(NotFittedError):
            getattr(small(), method)(X)
    with pytest.raises(NotFittedError):
        small().get_feature_names_out()


def test_an_interrupted_search_interrupts_the_fit(monkeypatch):
    run = small().fit(X, NAMES).run_
    monkeypatch.setattr(choice, "search", lambda *args, **settings: replace(run, interrupted=True))

    with pytest.raises(KeyboardInterrupt):
        small().fit(X, NAMES)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "evo_ensyth.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.frozen", None)

    with pytest.raises(ImportError, match=r"pip install 'evo-ensyth\[sklearn\]'"):
        __import__("evo_ensyth.sklearn")
