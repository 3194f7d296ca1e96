"""The estimator: out-of-fold answers of many classifiers, a search, and the few that were chosen, fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, assert_all_finite, check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, get_routing_for_object, process_routing
from sklearn.utils.metaestimators import _BaseComposition, available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from evo_ensyth import voting as rules
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run
from evo_ensyth.selection.selectors import Selector
from evo_ensyth.sklearn.answers import answers, held_out_answers, is_dropped, is_frozen, known_classes, members_of
from evo_ensyth.sklearn.choice import picked, pool_of, searched
from evo_ensyth.voting import VoteRule

if TYPE_CHECKING:
    from evo_ensyth.deployment.verify import Verification


class EnsembleSelector(ClassifierMixin, TransformerMixin, MetaEstimatorMixin, _BaseComposition):  # type: ignore[misc]
    """Find the few of many classifiers that, voting together, are best on samples they were not fitted to.

    Each classifier answers for samples that were held out from it by ``cv``. A search looks for the subsets that vote
    best at the lowest cost, one of them is picked, and its members are fitted to all samples. Classifiers inside a
    `sklearn.frozen.FrozenEstimator` are asked as they are and never fitted: X and y must be samples that they have not
    seen.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers to choose from. ``"drop"`` instead of a classifier leaves it out.
    voting : str or VoteRule
        ``"hard"`` for one vote each, ``"soft"`` for the mean of the probabilities, or another vote rule of this
        package, by its name or as an instance: ``"hard"`` is scikit-learn's word for ``"plurality"``, and
        ``evo_ensyth.voting.Soft(temper=False)`` is the plain mean.
    selector : str or Selector
        How to search, by name or as an instance such as ``evo_ensyth.selectors.NSGA2(population=50)``.
    pick : str, int or mapping of str to float
        Which ensemble of the front to take: ``"recommended"``, ``"lowest_error"``, ``"one_standard_error"`` or
        ``"knee"`` (the recommended one where there is no knee); the best of the largest size up to this number of
        members; or the recommended one of those within limits, such as ``{"ms": 20}``.
    objectives : names or Objective, optional
        What to minimise; see `evo_ensyth.search`. By default the criterion of the vote rule and the costs or, without
        costs, the number of members.
    costs : mapping of str to (n_estimators,) numbers, optional
        What each of ``estimators`` costs, such as ``{"ms": [3, 1, 7]}``.
    cv : int, cross-validation generator or iterable, optional
        How samples are held out; see `sklearn.model_selection.check_cv`. By default five stratified folds.
    budget : int, optional
        Subsets that the search may judge.
    random_state : int, RandomState or None
        Of the search. Classifiers have their own.
    n_jobs : int, optional
        Classifiers to fit side by side.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes in y, and those that frozen estimators know.
    estimators_ : list of estimators
        The chosen ones, fitted.
    named_estimators_ : Bunch
        The same by name.
    selected_names_ : list of str
    support_ : ndarray of bool, shape (n_estimators,)
        Which of ``estimators`` are chosen.
    ensemble_ : Ensemble
        What was picked, with its error, costs and warnings; it votes.
    run_ : Run
        The search. Its classes are ``classes_``, or their places where the package writes labels in another way.
    front_ : list of dict
        The ensembles that no other one beats in everything, as ``run_.front.to_dict()`` gives them.
    out_of_fold_ : dict of str to ndarray
        What each estimator answered for held-out samples: labels, (n_samples,), or probabilities,
        (n_samples, n_classes).
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has names of features.

    Notes
    -----
    All samples count alike in the search. Metadata, such as ``sample_weight``, is passed on to the classifiers that ask
    for it, and refused where no one does; ``groups`` go to ``cv``.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from evo_ensyth.sklearn import EnsembleSelector
    >>> X, y = load_digits(return_X_y=True)
    >>> trees = [(f"tree{i}", DecisionTreeClassifier(max_features=8, random_state=i)) for i in range(8)]
    >>> selector = EnsembleSelector(trees, pick=3, random_state=0).fit(X, y)
    >>> selector.selected_names_, selector.predict(X[:3])
    (['tree1', 'tree6', 'tree7'], array([0, 1, 2]))
    """

    def __init__(
        self,
        estimators: Sequence[tuple[str, Any]],
        *,
        voting: str | VoteRule = "hard",
        selector: str | Selector = "nsga2",
        pick: str | int | Mapping[str, float] = "recommended",
        objectives: str | Objective | Sequence[str | Objective] | None = None,
        costs: Mapping[str, Any] | None = None,
        cv: Any = None,
        budget: int | None = 5_000,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimators = estimators
        self.voting = voting
        self.selector = selector
        self.pick = pick
        self.objectives = objectives
        self.costs = costs
        self.cv = cv
        self.budget = budget
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, **fit_params: Any) -> "EnsembleSelector":
        """Choose among the estimators, and fit those that are chosen.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n_samples, n_features)
            Whatever the estimators take.
        y : array-like of shape (n_samples,)
            Whole numbers, booleans or text.
        **fit_params
            Metadata, such as ``sample_weight``; see the notes of the class.

        Raises
        ------
        InputError
            Estimators, parameters or answers of an estimator that are not as they should be.
        """
        members = self._members()
        X, y = self._checked(X, y)
        routed = process_routing(self, "fit", **fit_params)
        self.classes_ = known_classes(y, members)
        groups = routed.splitter.split.get("groups")
        found = self._held_out_answers(members, X, y, groups, fit_params)
        self.run_ = self._searched(found, y, groups)
        self.ensemble_ = picked(self.run_, self.pick)
        self.front_ = self.run_.front.to_dict()
        self.out_of_fold_ = {name: self._named(answer) for name, answer in found.items()}
        self.selected_names_ = list(self.ensemble_.members)
        self.support_ = np.array([name in self.selected_names_ for name, _ in self.estimators])
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(_fitted)(members[name], X, y, routed[name]["fit"]) for name in self.selected_names_
        )
        self.named_estimators_ = Bunch(**dict(zip(self.selected_names_, self.estimators_, strict=True)))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the class that the chosen estimators vote for: (n_samples,)."""
        places = self._vote_by_place.predict(self._answers(X))
        # -1 where all probabilities are NaN: the lowest class, to which ties go too.
        return np.asarray(self.classes_[np.maximum(places, 0)])

    @available_if(lambda self: self._rule.adds != "labels")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the share of each class in the vote, where the vote adds probabilities: (n_samples, n_classes)."""
        return self.vote_share(X)

    def vote_share(self, X: Any) -> np.ndarray:
        """Return the share of each class in the vote, by any vote rule: float64, (n_samples, n_classes)."""
        return self._vote_by_place.predict_proba(self._answers(X))

    def transform(self, X: Any) -> np.ndarray:
        """Return what each chosen estimator answers.

        Returns
        -------
        labels, (n_samples, n_chosen), or probabilities, (n_samples, n_chosen * n_classes)
        """
        return np.column_stack([self._named(answer) for answer in self._answers(X).values()])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names for the columns of `transform`: ``ensembleselector_tree`` or, by class, with its place."""
        check_is_fitted(self)
        ends = [str(i) for i in range(len(self.classes_))] if self._method == "predict_proba" else [""]
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}_{name}{end}" for name in self.selected_names_ for end in ends], object)

    def to_onnx(self, path: str | Path, X: Any, *, opset: int = 21, allow_different: int = 0) -> "Verification":
        """Write one ONNX file that holds the chosen estimators and votes; it takes what they take and gives labels.

        The file is run on every sample of X before it gets its name. ``pip install 'evo-ensyth[onnx-sklearn]'`` brings
        what it needs.

        Parameters
        ----------
        path : str or Path
            A new file, ``NAME.onnx``.
        X : array of shape (n_samples, n_features)
            Samples to verify the file on, at least 2; it takes samples of their type.
        opset : int
            Version of the operators.
        allow_different : int
            Samples of X for which the file may give another label.

        Returns
        -------
        Verification
            Labels that differ, size and latency; see `evo_ensyth.export`.

        Raises
        ------
        InputError
            An estimator cannot be converted, the file exists, or labels differ.
        """
        from evo_ensyth.deployment.export import HandOver, check_new_model, write_model

        check_is_fitted(self)
        check_new_model(Path(path))
        labels = [int(label) if isinstance(label, float) else label for label in self.classes_.tolist()]
        pool = pool_of(self._answers(X), np.searchsorted(self.classes_, self.predict(X)), labels)
        handed = HandOver(self.run_, self.ensemble_, pool, pool.search, np.asarray(X))
        members = {name: one.estimator if is_frozen(one) else one for name, one in self.named_estimators_.items()}
        return write_model(
            handed, Path(path), members, picked_by=str(self.pick), opset=opset, allow_different=allow_different
        )

    @property
    def named_estimators(self) -> Bunch:
        """The estimators to choose from, by name."""
        return Bunch(**dict(self.estimators))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters and, if ``deep``, the estimators by name and their parameters."""
        parameters: dict[str, Any] = self._get_params("estimators", deep=deep)
        return parameters

    def set_params(self, **params: Any) -> "EnsembleSelector":
        """Set parameters, estimators by their name, or their parameters, such as ``forest__max_depth=3``."""
        self._set_params("estimators", **params)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata goes to which estimator, and to ``cv``."""
        router = MetadataRouter(owner=self)
        for name, estimator in self.estimators:
            if not is_dropped(estimator):
                router.add(**{name: estimator}, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        return router.add(
            splitter=check_cv(self.cv, classifier=True),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        try:
            of_members = [get_tags(member).input_tags for member in self._members().values()]
        except (TypeError, ValueError):
            return tags  # `fit` says what is wrong with them
        tags.input_tags.allow_nan = all(their.allow_nan for their in of_members)
        tags.input_tags.sparse = all(their.sparse for their in of_members)
        return tags

    def _get_params_html(self, deep: bool = True, **details: Any) -> Any:
        # For the HTML repr of scikit-learn 1.7 and newer, without a row for each parameter of each estimator.
        return super()._get_params_html(deep=False, **details)

    @property
    def _rule(self) -> VoteRule:
        return rules.load("plurality" if self.voting == "hard" else self.voting)

    @property
    def _method(self) -> str:
        """What estimators are asked for."""
        rule = self._rule
        scores = rule.adds != "labels" or getattr(rule, "ties", None) == "scores"
        return "predict_proba" if scores else "predict"

    @property
    def _vote_by_place(self) -> Ensemble:
        """The ensemble, voting on places among the classes."""
        check_is_fitted(self)
        return replace(self.ensemble_, classes=tuple(range(len(self.classes_))))

    def _members(self) -> dict[str, Any]:
        """Estimators to choose from, by name, checked."""
        members = members_of(self.estimators, self._method)
        self._validate_names([name for name, _ in self.estimators])
        return members

    def _checked(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Samples as they are, for the members check them, and labels."""
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        validate_data(self, X, skip_check_array=True)
        if _num_samples(X) == 0:
            raise InputError("X has 0 sample(s); at least 1 sample for each fold is needed.")
        check_consistent_length(X, y)
        # Whether a NaN is refused must not depend on which members are chosen. Data frames are left to the members: it
        # cannot be known what a ColumnTransformer takes.
        self._refuses_nan = False
        if isinstance(X, np.ndarray) and X.dtype.kind == "f" and not get_tags(self).input_tags.allow_nan:
            self._refuses_nan = bool(np.isfinite(X).all())
        return X, y

    def _held_out_answers(
        self, members: Mapping[str, Any], X: Any, y: np.ndarray, groups: Any, fit_params: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Answers of all members for samples that they were not fitted to, by place of the class."""
        learning = not all(is_frozen(member) for member in members.values())
        folds = list(check_cv(self.cv, y, classifier=True).split(X, y, groups)) if learning else []
        wanted = {
            name: get_routing_for_object(member).consumes("fit", fit_params.keys()) for name, member in members.items()
        }
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(held_out_answers)(
                name,
                member,
                X,
                y,
                method=self._method,
                folds=folds,
                params={key: fit_params[key] for key in wanted[name]},
                classes=self.classes_,
            )
            for name, member in members.items()
        )
        return dict(zip(members, found, strict=True))

    def _searched(self, found: Mapping[str, np.ndarray], y: np.ndarray, groups: Any) -> Run:
        """Search the answers of all members."""
        kept = [not is_dropped(estimator) for _, estimator in self.estimators]
        for name, values in (self.costs or {}).items():
            if np.shape(values) != (len(kept),):
                expected = f"a number for each of the {len(kept)} estimators"
                raise InputError(f"the cost '{name}' has shape {np.shape(values)}; expected {expected}.")
        return searched(
            found,
            np.searchsorted(self.classes_, y),
            self.classes_.tolist(),
            groups=groups,
            costs={name: np.asarray(values)[kept] for name, values in (self.costs or {}).items()},
            vote=self._rule,
            selector=self.selector,
            objectives=self.objectives,
            budget=self.budget,
            seed=check_random_state(self.random_state).randint(np.iinfo(np.int32).max),
        )

    def _answers(self, X: Any) -> dict[str, np.ndarray]:
        """Answers of the chosen estimators, by place of the class."""
        check_is_fitted(self)
        if self._refuses_nan:
            assert_all_finite(X, estimator_name=type(self).__name__, input_name="X")
        return {
            name: answers(name, estimator, X, method=self._method, classes=self.classes_)
            for name, estimator in self.named_estimators_.items()
        }

    def _named(self, answer: np.ndarray) -> np.ndarray:
        """Places as labels; probabilities as they are."""
        return np.asarray(self.classes_[answer]) if answer.ndim == 1 else answer


def _fitted(estimator: Any, X: Any, y: np.ndarray, params: Mapping[str, Any]) -> Any:
    return estimator if is_frozen(estimator) else clone(estimator).fit(X, y, **params)
