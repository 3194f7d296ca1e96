"""An ensemble with its members at hand answers as it does when it is told what they answer."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import RidgeClassifier
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee

X, CODES = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[CODES]
FIT, SEARCH = np.split(np.random.default_rng(0).permutation(150), [50])


@pytest.fixture(scope="module")
def trees():
    kinds = {f"tree{i}": DecisionTreeClassifier(max_features=1, max_depth=2, random_state=i) for i in range(5)}
    return {name: tree.fit(X[FIT], Y[FIT]) for name, tree in kinds.items()}


def searched(models, vote, y=Y, **settings):
    pool = ee.Pool.from_estimators(models, X[SEARCH], y[SEARCH])
    return ee.search(pool, baselines=(), n_folds=0, budget=40, vote=vote, **settings).pick(rule="lowest_error")


@pytest.mark.parametrize("vote", ["plurality", "soft", "log_odds", ee.voting.Plurality(ties="lowest")])
def test_members_are_asked_for_what_the_vote_needs(trees, vote):
    ensemble = searched(trees, vote)

    voters = ensemble.with_members(trees)

    answers = {name: tree.predict_proba(X) for name, tree in trees.items()}
    assert tuple(voters.members) == ensemble.members
    assert (voters.predict(X) == ensemble.predict(answers)).all()
    assert (voters.predict_proba(X) == ensemble.predict_proba(answers)).all()


def test_labels_will_do_where_they_are_all_that_votes(trees):
    models = [*trees.items(), ("ridge", RidgeClassifier().fit(X[FIT], Y[FIT]))]
    voters = searched(models, "plurality").with_members(models)

    assert (voters.predict(X) == voters.ensemble.predict({name: model.predict(X) for name, model in models})).all()


def test_columns_of_an_estimator_that_knows_fewer_classes_find_their_places(trees):
    two = DecisionTreeClassifier(max_depth=1).fit(X[CODES > 0], Y[CODES > 0])
    columns = np.concatenate([np.zeros((150, 1)), two.predict_proba(X)], axis=1)
    pool = ee.Pool.from_predictions({"two": columns[SEARCH]}, Y[SEARCH], classes=list(np.unique(Y)))
    ensemble = ee.search(pool, vote="soft", baselines=(), n_folds=0, budget=1).recommended

    assert (ensemble.with_members({"two": two}).predict(X) == two.predict(X)).all()
    assert (ensemble.with_members({"two": lambda rows: columns}).predict(X) == two.predict(X)).all()
    new = DecisionTreeClassifier(max_depth=1).fit(X, np.where(CODES == 0, "rose", Y))
    with pytest.raises(ee.InputError, match="no class of the model 'two' in this pool called 'rose'"):
        ensemble.with_members({"two": new}).predict(X)


def test_modules_give_logits():
    torch.manual_seed(0)
    modules = [torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.5)) for _ in range(3)]
    inputs = torch.tensor(X, dtype=torch.float32)
    pool = ee.Pool.from_modules(modules, [(inputs, torch.tensor(CODES))])
    ensemble = ee.search(pool, vote="soft", baselines=(), n_folds=0, budget=7).front[-1]

    voters = ensemble.with_members(dict(zip(pool.names, modules, strict=True)))

    assert np.mean(voters.predict(inputs) != CODES) == ensemble.error("search")
    assert modules[0].training


def test_members_that_do_not_fit_are_named(trees):
    ensemble = searched({name: trees[name] for name in ("tree0", "tree1")}, "soft")
    first = ensemble.members[0]
    with pytest.raises(ee.InputError, match=f"no member among these called '{first}'"):
        ensemble.with_members({"forest": trees["tree2"]})
    ridge = RidgeClassifier().fit(X, Y)
    with pytest.raises(ee.InputError, match=f"the model '{first}' has no predict_proba, and this vote adds"):
        ensemble.with_members({**trees, first: ridge}).predict(X)
    with pytest.raises(ee.InputError, match=f"the model '{first}' cannot predict: ValueError: X has 3 features"):
        ensemble.with_members(trees).predict(X[:, :3])
