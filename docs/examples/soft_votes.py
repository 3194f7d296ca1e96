"""Soft votes, and an honest estimate of the error without a test split.

Members that give probabilities can add them instead of their labels. With few samples, none may be left for a test
split; the nested estimate then says which error to expect, and here new samples say whether that was true.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee

X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=500, stratify=y, random_state=0)
X_search, X_later, y_search, y_later = train_test_split(X_rest, y_rest, train_size=300, stratify=y_rest, random_state=0)
trees = [DecisionTreeClassifier(min_samples_leaf=3, max_features=8, random_state=i) for i in range(16)]
models = {f"tree-{i}": tree.fit(X_train, y_train) for i, tree in enumerate(trees)}
pool = ee.Pool.from_estimators(models, X_search, y_search)

runs = {vote: ee.search(pool, vote=vote, seed=1) for vote in ("plurality", "soft")}
for vote, run in runs.items():
    best = run.recommended
    answers = {name: models[name].predict_proba(X_later) for name in best.members}
    later = (best.predict(answers) != y_later).mean()
    assert run.estimate is not None
    low, high = run.estimate.interval
    print(f"{vote}: {len(best)} of {len(pool)} members")
    print(f"  where it was chosen  {best.error('search'):.1%}")
    print(f"  nested estimate      {run.estimate.error:.1%} ({low:.1%} to {high:.1%})")
    print(f"  on later samples     {later:.1%}")
