"""Predictions in a data frame: which few of nine classifiers to keep.

Most people have a table: a row for each sample, the truth in one column, and what each model answers in the others.
"""

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

import evo_ensyth as ee

# Nine trees, each trained on other pixels, and what they answer to samples that none of them was trained on.
X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(X, y, test_size=0.6, random_state=0)
table = pd.DataFrame({"digit": y_new})
for i in range(9):
    pixels = slice(i, None, 3)
    tree = DecisionTreeClassifier(max_depth=8, random_state=i).fit(X_train[:, pixels], y_train)
    table[f"tree-{i}"] = tree.predict(X_new[:, pixels])

# Half of the rows choose the ensemble; the other half, drawn at random, judge it.
pool = ee.load(table, truth="digit", test_share=0.5)
run = ee.search(pool, seed=1)
print(run)

best = run.recommended
print(best.members, f"{best.error('test'):.1%}", best.interval("test"))

# The members vote on the rows of any table with their columns.
labels = best.predict(table.head(10))
print(labels, list(table["digit"].head(10)))
