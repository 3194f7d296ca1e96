"""From predictions to an ensemble in five lines, by the public names of the package alone.

Run it from the repository's root: ``python docs/example.py``.
"""

import numpy as np

import evo_ensyth as ee

pool = ee.load("runs/reference/fashion_mnist/predictions.npz")
run = ee.search(pool, objectives=["error", "n_members"], selector="nsga2", budget=20_000, seed=1)
print(run)
best = run.recommended
print(best.members, best.error("test"), best.interval("test"), best.costs, [warning.text for warning in best.warnings])

# What the chosen members answer, and so anybody's answers, become the answers of the ensemble.
assert pool.test is not None
labels = best.predict(pool.test.y_pred)
assert np.mean(labels != pool.test.y_true) == best.error("test")

# Names and instances both work; a pool may come from arrays as well.
small = run.pick(size=3)
other = ee.search(
    pool,
    ["error", "n_members"],
    selector=ee.selectors.LocalSearch(),
    baselines=["random"],
    at_most={"n_members": 4},
    seed=1,
)
print(ee.compare([run, other]))


@ee.objective(unit="ms")
def slowest(ensembles: ee.Ensembles) -> np.ndarray:
    """The slowest member, when all run side by side."""
    return ensembles.largest("ms")


y_true = np.array([0, 1, 1, 0])
mine = ee.Pool.from_predictions({"rf": [0, 1, 1, 1], "svm": [0, 0, 1, 0]}, y_true, costs={"ms": [3, 1]})
fastest = ee.search(mine, ["error", slowest], selector="exact").pick(rule="recommended")
print(fastest.members)
