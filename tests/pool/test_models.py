"""Pools of fitted models: what they predict is what the models say themselves."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from evo_ensyth.errors import InputError
from evo_ensyth.pool import Pool

X, CODES = load_iris(return_X_y=True)
Y = np.array(["setosa", "versicolor", "virginica"])[CODES]
FIT, SEARCH, TEST = np.split(np.random.default_rng(0).permutation(150), [50, 100])


@pytest.fixture(scope="module")
def models():
    kinds = {"tree": DecisionTreeClassifier(max_depth=2, random_state=0), "knn": KNeighborsClassifier(3)}
    return {name: model.fit(X[FIT], Y[FIT]) for name, model in kinds.items()}


def test_estimators_vote_with_their_own_classes_and_probabilities(models):
    pool = Pool.from_estimators(models, X[SEARCH], Y[SEARCH], test=(X[TEST], Y[TEST]))
    assert (pool.names, pool.classes) == (("tree", "knn"), ("setosa", "versicolor", "virginica"))
    for i, model in enumerate(models.values()):
        np.testing.assert_array_equal(np.array(pool.classes)[pool.test.y_pred[i]], model.predict(X[TEST]))
        np.testing.assert_array_equal(pool.search.scores.members[i], model.predict_proba(X[SEARCH]))
    assert set(pool.costs) == {"ms_per_row", "bytes"}
    assert (pool.costs["bytes"] > 100).all()


def test_estimators_without_probabilities_give_labels(models):
    ridge = RidgeClassifier().fit(X[FIT], Y[FIT])
    pool = Pool.from_estimators([models["tree"], ("ridge", ridge)], X[SEARCH], Y[SEARCH])
    assert pool.names == ("DecisionTreeClassifier-0", "ridge")
    np.testing.assert_array_equal(np.array(pool.classes)[pool.search.y_pred[1]], ridge.predict(X[SEARCH]))


def test_estimators_that_do_not_fit_are_refused(models):
    with pytest.raises(InputError, match="there is no model"):
        Pool.from_estimators([], X, Y)
    with pytest.raises(InputError, match="the model 'new' cannot predict: NotFittedError"):
        Pool.from_estimators({**models, "new": LogisticRegression()}, X, Y)
    two = KNeighborsClassifier(1).fit(X[CODES < 2], Y[CODES < 2])
    with pytest.raises(InputError, match="the model 'two' knows the classes"):
        Pool.from_estimators({**models, "two": two}, X, Y)
    with pytest.raises(InputError, match="two models have one name"):
        Pool.from_estimators([("a", two), ("a", two)], X, Y)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_modules_give_the_probabilities_of_their_logits(n_outputs):
    torch.manual_seed(0)
    modules = [torch.nn.Sequential(torch.nn.Linear(4, n_outputs), torch.nn.Dropout(0.5)) for _ in range(2)]
    inputs, labels = torch.tensor(X, dtype=torch.float32), torch.tensor(CODES % 2 if n_outputs == 1 else CODES)
    batches = [(inputs[i : i + 40], labels[i : i + 40]) for i in range(0, 150, 40)]
    pool = Pool.from_modules(modules, batches, test=batches)
    assert all(module.training for module in modules)
    logits = modules[1][0](inputs).detach()
    wanted = (logits[:, 0] > 0).long() if n_outputs == 1 else logits.argmax(dim=1)
    np.testing.assert_array_equal(pool.search.y_pred[1], wanted)
    np.testing.assert_array_equal(pool.test.y_true, labels)
    assert pool.costs["parameters"].tolist() == [5 * n_outputs] * 2
    assert pool.costs["bytes"].tolist() == [20 * n_outputs] * 2
    with pytest.raises(InputError, match="pairs of inputs and labels"):
        Pool.from_modules(modules, [inputs])
    with pytest.raises(InputError, match="the loader gives no batch"):
        Pool.from_modules(modules, [])
