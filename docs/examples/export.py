"""From fitted models to one file that votes: exported, verified on every test sample, and run without this package.

The file holds the chosen members and their vote. A service needs onnxruntime to run it, and neither scikit-learn nor
`evo_ensyth`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)  # what the file will take
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=600, random_state=0)
X_search, X_test, y_search, y_test = train_test_split(X_rest, y_rest, test_size=0.5, random_state=0)

trees = [DecisionTreeClassifier(min_samples_leaf=2, max_features=8, random_state=i) for i in range(12)]
models = {f"tree-{i}": tree.fit(X_train, y_train) for i, tree in enumerate(trees)}
pool = ee.Pool.from_estimators(models, X_search, y_search, test=(X_test, y_test))
run = ee.search(pool, vote="soft", n_folds=0, seed=1)
best = run.recommended
print(f"{len(best)} of {len(pool)} members, test error {best.error('test'):.1%}")

with TemporaryDirectory() as folder:
    # The file gets its name only if every label is that of the run.
    path = Path(folder) / "digits.onnx"
    members = {name: models[name] for name in best.members}
    print(ee.export(run, path, pool=pool, members=members, inputs=X_test))

    # What a service does:
    session = onnxruntime.InferenceSession(path)
    label, share = session.run(["label", "share"], {"input": X_test[:1]})
    print(f"a {label[0]}, with {share.max():.0%} of the vote; it is a {y_test[0]}")

    # Before it does, on its own machine and with its own version of the runtime:
    verification = ee.verify(path, X_test)
