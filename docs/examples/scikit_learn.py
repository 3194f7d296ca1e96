"""Inside scikit-learn: a few of twelve classifiers as one step of a pipeline, and how many of them by cross-validation.

`EnsembleSelector` is a classifier like any other. Each member answers for samples that were held out from it, those
that vote best are chosen, and only they are fitted to all samples.
"""

from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from evo_ensyth.sklearn import EnsembleSelector

X, digits = load_digits(return_X_y=True)
y = [("even", "odd")[digit % 2] for digit in digits]
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=600, stratify=y, random_state=0)

members = [(f"tree-{i}", DecisionTreeClassifier(max_features=0.1, random_state=i)) for i in range(10)]
members += [("bayes", GaussianNB()), ("ridge", RidgeClassifier())]
pipeline = make_pipeline(StandardScaler(), EnsembleSelector(members, cv=2, random_state=0))

# How many members? At most three, or as many as are recommended.
search = GridSearchCV(pipeline, {"ensembleselector__pick": [3, "recommended"]}, cv=2).fit(X_train, y_train)
chosen = search.best_estimator_[-1]
print(search.best_params_, chosen.selected_names_)
print(f"accuracy {search.score(X_test, y_test):.1%} on new digits, of {list(search.classes_)}")
print(chosen.run_)
