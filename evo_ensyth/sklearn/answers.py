"""What estimators answer, as places among the classes: on new samples, or out of fold on those they are fitted to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import column_or_1d

from evo_ensyth.errors import InputError

SHOWN = 5  # classes in a message
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


def is_dropped(estimator: Any) -> bool:
    """Whether it stands for an estimator that is left out."""
    return isinstance(estimator, str) and estimator == "drop"


def is_frozen(estimator: Any) -> bool:
    """Whether an estimator is fitted already and stays as it is."""
    return isinstance(estimator, FrozenEstimator)


def members_of(estimators: Any, method: str) -> dict[str, Any]:
    """Estimators that are not dropped, by name.

    Parameters
    ----------
    estimators : sequence of (name, estimator)
    method : str
        That each must have.

    Raises
    ------
    InputError
        They are no such pairs, none is left, or one is no classifier or lacks the method.
    """
    pairs = list(estimators)
    if not pairs or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise InputError("estimators must be a list of pairs (name, classifier), at least one.")
    members = {name: estimator for name, estimator in pairs if not is_dropped(estimator)}
    if not members:
        raise InputError("all estimators are dropped; at least one is needed.")
    for name, estimator in members.items():
        if not is_classifier(estimator):
            raise InputError(f"the estimator '{name}' is a {type(estimator).__name__}; expected a classifier.")
        if not hasattr(estimator, method):
            raise InputError(f"the estimator '{name}' has no {method}, which this vote needs.")
    return members


def known_classes(y: np.ndarray, members: Mapping[str, Any]) -> np.ndarray:
    """Classes in y and those that frozen members know besides, sorted.

    Raises
    ------
    InputError
        A frozen member was fitted to numbers and y is text, or the other way round.
    """
    classes = np.unique(y)
    for name, member in members.items():
        own = np.asarray(getattr(member, "classes_", classes)) if is_frozen(member) else classes
        if isinstance(own[0], str) != isinstance(classes[0], str):
            raise _stranger(name, own[0], classes)
        classes = np.union1d(classes, own)
    return classes


def held_out_answers(
    name: str,
    estimator: Any,
    X: Any,
    y: np.ndarray,
    *,
    method: str,
    folds: Folds,
    params: Mapping[str, Any],
    classes: np.ndarray,
) -> np.ndarray:
    """Answer for samples that the estimator was not fitted to: a frozen one for all, others fold by fold.

    Parameters
    ----------
    name : str
        Of the estimator, for messages.
    estimator
        It is cloned.
    X, y
        All samples.
    method : str
        ``predict`` or ``predict_proba``.
    folds : sequence of (training samples, held-out samples)
        Every sample is held out once.
    params : mapping
        Further arguments of the estimator's ``fit``.
    classes : (n_classes,)
        Sorted.

    Returns
    -------
    int64, (n_samples,), or floats, (n_samples, n_classes)
        Places among the classes, or probabilities in their order.

    Raises
    ------
    InputError
        The answers do not fit the classes.
    """
    if is_frozen(estimator):
        return answers(name, estimator, X, method=method, classes=classes)
    found = cross_val_predict(estimator, X, y, cv=folds, method=method, params=dict(params))
    return _by_place(name, found, np.unique(y), classes)


def answers(name: str, estimator: Any, X: Any, *, method: str, classes: np.ndarray) -> np.ndarray:
    """Answer of a fitted estimator; parameters, result and errors as for `held_out_answers`."""
    found = getattr(estimator, method)(X)
    return _by_place(name, found, getattr(estimator, "classes_", classes), classes)


def _by_place(name: str, found: Any, own: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Labels as places among the classes; probabilities of an estimator's own classes as columns for all of them."""
    found = np.asarray(found)
    if found.ndim < 2 or found.shape[1] == 1 < len(own):  # some libraries give labels as a column
        return _places(name, column_or_1d(found), classes)
    scores = np.zeros((len(found), len(classes)), found.dtype)
    scores[:, _places(name, own, classes)] = found
    return scores


def _places(name: str, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(LabelEncoder().fit(classes).transform(labels))
    except (TypeError, ValueError):
        known = classes.tolist()
        raise _stranger(name, next(label for label in labels.tolist() if label not in known), classes) from None


def _stranger(name: str, label: Any, classes: np.ndarray) -> InputError:
    known = ", ".join(map(repr, classes[:SHOWN].tolist())) + (", ..." if len(classes) > SHOWN else "")
    shown = repr(np.asarray(label).item())
    return InputError(f"the estimator '{name}' answers {shown}, which is none of the classes {known} of y.")
