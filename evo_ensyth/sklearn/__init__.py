"""An estimator for scikit-learn: cross-validate many classifiers, find the few that vote best, keep those.

>>> from sklearn.datasets import load_iris
>>> from sklearn.tree import DecisionTreeClassifier
>>> from evo_ensyth.sklearn import EnsembleSelector
>>> X, y = load_iris(return_X_y=True)
>>> trees = [(f"tree{i}", DecisionTreeClassifier(max_features=1, random_state=i)) for i in range(9)]
>>> selector = EnsembleSelector(trees, pick=3, random_state=0).fit(X, y)
>>> len(selector.estimators_), selector.predict(X[::50])
(3, array([0, 1, 2]))

It needs scikit-learn, which is imported with this module and nowhere else: ``pip install 'evo-ensyth[sklearn]'``.
"""

try:
    import sklearn.frozen  # noqa: F401 - new in scikit-learn 1.6
except ImportError as error:
    raise ImportError(
        "evo_ensyth.sklearn needs scikit-learn 1.6 or newer; run: pip install 'evo-ensyth[sklearn]'"
    ) from error

from evo_ensyth.sklearn.selector import EnsembleSelector

__all__ = ["EnsembleSelector"]
