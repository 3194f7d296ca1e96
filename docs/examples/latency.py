"""An objective of your own: the latency of an ensemble on two cores.

The costs of the members are known, here in milliseconds, and what an ensemble costs is neither their sum nor the
largest: two cores share the members, so it takes as long as the core that finishes last.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

import evo_ensyth as ee


@ee.objective(unit="ms")
def two_cores(ensembles: ee.Ensembles) -> np.ndarray:
    """When the last of two cores has finished, each member going to the core that is free first, the slowest first."""
    ms = ensembles.pool.costs["ms"]
    slowest_first = np.argsort(-ms, kind="stable")
    busy = np.zeros((len(ensembles), 2))
    for member in slowest_first:
        rows = np.flatnonzero(ensembles.subsets[:, member])
        busy[rows, busy[rows].argmin(axis=1)] += ms[member]
    return np.asarray(busy.max(axis=1))


# Forests of many sizes; a tree is said to take 0.02 ms. Measure yours, once, before the search.
X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=0.7, random_state=0)
n_trees = [1, 1, 2, 2, 3, 3, 5, 5, 8, 13]
forests = {
    f"forest-{i}-of-{n}": RandomForestClassifier(n, max_features=2, random_state=i).fit(X_train[:200], y_train[:200])
    for i, n in enumerate(n_trees)
}
answers = {name: forest.predict(X_new) for name, forest in forests.items()}
pool = ee.Pool.from_predictions(answers, y_new, costs={"ms": [0.02 * n for n in n_trees]}).split(0.5)

run = ee.search(pool, ["error", two_cores], seed=1)
print(run)
fastest = run.pick(at_most={"two_cores": 0.2})
print(fastest.members, fastest.costs["ms"], "ms in all")
