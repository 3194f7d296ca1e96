"""A pool: its members, their predictions on each split, and the parent they were made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import renderer
from evo_ensyth.pool.classes import Classes, Label, LabelCodes
from evo_ensyth.pool.groups import coded_groups
from evo_ensyth.pool.members import Members, SharedPart
from evo_ensyth.pool.parent import Parent
from evo_ensyth.pool.votes import Votes


@dataclass(frozen=True, eq=False)
class Pool:
    """Members with their predictions on the search split and, if there is one, on the test split.

    Attributes
    ----------
    members : Members
        Names, origins, costs.
    search : Votes
        The split on which subsets are evaluated during the search.
    test : Votes, optional
        The split on which the selected ensembles are evaluated once, afterwards.
    parent : Parent, optional
        The network the members were made from, to compare ensembles with.
    name : str
        Names the results: ``runs/<name>``.
    source : mapping
        Where the pool came from and how it was split; runs record it.

    Raises
    ------
    InputError
        The votes or the parent's predictions do not match these members or their samples.
    """

    members: Members
    search: Votes
    test: Votes | None = None
    parent: Parent | None = None
    name: str = "pool"
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for votes in self.splits.values():
            if votes.classes != self.classes:
                raise InputError(f"the {votes.split} split has other classes than the search split.")
            if votes.n_members != len(self):
                raise InputError(f"the {votes.split} split holds {votes.n_members} members, the pool {len(self)}.")
            y_pred = self.parent.y_pred.get(votes.split) if self.parent else None
            if y_pred is not None and y_pred.shape != votes.y_true.shape:
                raise InputError(
                    f"the parent's predictions on the {votes.split} split have shape {y_pred.shape}; "
                    f"expected {votes.y_true.shape}."
                )

    @classmethod
    def from_predictions(
        cls,
        predictions: Any,
        y_true: Any,
        *,
        test: tuple[Any, Any] | None = None,
        costs: Mapping[str, Any] | None = None,
        names: Sequence[str] | None = None,
        name: str = "pool",
        missing: str = "refuse",
        classes: Sequence[Label] | None = None,
        groups: Any = None,
        test_groups: Any = None,
    ) -> "Pool":
        """Make a pool of predictions in memory.

        Parameters
        ----------
        predictions : mapping, data frame or array
            Predictions for the search split: a mapping of member name to predictions, a data frame with one column per
            member, or an array. The predictions of a member are class labels, (n_samples,): whole numbers, booleans or
            text; or probabilities, (n_samples, n_classes), of which one column is the chance of the second class.
            An array has shape (n_members, n_samples) or
            (n_members, n_samples, n_classes). Where a member has no answer, give NaN, None, -1, pandas' NA or a masked
            entry; of probabilities, a whole row of NaN.
        y_true : labels, (n_samples,)
            True class of each sample. If one of them is -1, then -1 is a class everywhere.
        test : (predictions, y_true), optional
            The same for samples that are not used in the search.
        costs : mapping of str to (n_members,) numbers, optional
            Costs of each member, such as ``{"ms": [3, 1]}``. Each cost becomes an objective of that name.
        names : sequence of str, optional
            Names of the members of an array.
        name : str
            Name of the pool.
        missing : str
            What to do about missing answers: ``refuse`` them; ``abstain``, so that those who answer vote;
            ``drop-members=0.1``, without members that leave more than a tenth unanswered; or ``drop-samples``, without
            samples that some member does not answer. A member is wrong where it abstains, and so is an ensemble where
            all its members do.
        classes : sequence of labels, optional
            All classes, in the order of the columns of probabilities. Without it these are 0, 1, ... or, if the true
            labels are others, these in order.
        groups, test_groups : (n_samples,) numbers, text or dates, optional
            Which samples of each split belong together, such as the scans of one patient.

        Raises
        ------
        InputError
            Shapes or values are invalid; the message names the argument.
        """
        from evo_ensyth.pool.answers import Part, votes_of
        from evo_ensyth.pool.missing import Policy, settle
        from evo_ensyth.pool.predictions import read_split

        policy, codes = Policy.of(missing), LabelCodes()
        group_codes = cls._codes(groups, test_groups, test is not None)
        found, search, n_columns = read_split(predictions, y_true, "search", codes)
        parts: dict[str, Part] = {"search": (replace(search, groups=group_codes.get("groups")), slice(None))}
        if test is not None:
            if not isinstance(test, tuple) or len(test) != 2:
                raise InputError(f"test is a {type(test).__name__}; expected a pair (predictions, y_true).")
            test_names, held_out, n_test_columns = read_split(*test, "test", codes, order=found)
            if test_names != found:
                raise InputError(f"test has the members {', '.join(test_names)}; the search split {', '.join(found)}.")
            if n_test_columns != n_columns:
                raise InputError(
                    f"the search split has {n_columns} columns of scores, and the test split {n_test_columns}."
                )
            parts["test"] = replace(held_out, groups=group_codes.get("test_groups")), slice(None)
        votes, _, notes = votes_of(parts, codes, n_columns, classes)
        if names is not None and len(names) != len(found):
            raise InputError(f"names has {len(names)} entries; there are {len(found)} members.")
        members = Members(tuple(names or found), costs=costs or {})
        source = {"kind": "arrays", **({"notes": notes} if notes else {})}
        return settle(cls(members, votes["search"], votes.get("test"), name=name, source=source), policy)

    @classmethod
    def from_estimators(
        cls, models: Any, X: Any, y_true: Any, *, test: tuple[Any, Any] | None = None, name: str = "pool"
    ) -> "Pool":
        """Make a pool of fitted estimators of scikit-learn, or of anything with ``predict``.

        Parameters
        ----------
        models : mapping of str to estimator, or sequence of estimators or of (name, estimator)
            They give probabilities if all of them can, otherwise labels.
        X, y_true
            Samples that no model was fitted to, and their true classes.
        test : (X, y_true), optional
            The same for the test split.
        name : str
            Name of the pool.

        Returns
        -------
        Pool
            With the costs ``ms_per_row``, measured here, and ``bytes``, of the pickled estimators.

        Raises
        ------
        InputError
            A model cannot predict these samples, or models know different classes.
        """
        from evo_ensyth.pool.models import estimator_predictions, named_models

        known = named_models(models)
        predictions, classes, costs = estimator_predictions(known, X)
        held_out = None if test is None else (estimator_predictions(known, test[0])[0], test[1])
        return cls.from_predictions(predictions, y_true, test=held_out, costs=costs, name=name, classes=classes)

    @classmethod
    def from_modules(cls, models: Any, loader: Any, *, test: Any = None, name: str = "pool") -> "Pool":
        """Make a pool of trained modules of PyTorch that give logits.

        Parameters
        ----------
        models : mapping of str to module, or sequence of modules or of (name, module)
        loader : iterable of (inputs, labels)
            Batches of samples that no module was trained on, such as a ``DataLoader``. It is read once.
        test : iterable of (inputs, labels), optional
            The same for the test split.
        name : str
            Name of the pool.

        Returns
        -------
        Pool
            With the costs ``parameters`` and ``bytes``.

        Raises
        ------
        InputError
            The loader gives something else than pairs, or a module something else than logits.
        """
        from evo_ensyth.pool.models import module_predictions, named_models

        known = named_models(models)
        predictions, y_true, costs = module_predictions(known, loader)
        held_out = None if test is None else module_predictions(known, test)[:2]
        return cls.from_predictions(predictions, y_true, test=held_out, costs=costs, name=name)

    @classmethod
    def from_autogluon(cls, predictor: Any, *, test: Any = None, name: str = "pool") -> "Pool":
        """Make a pool of the models of a fitted AutoGluon predictor for classes.

        Parameters
        ----------
        predictor : TabularPredictor
            The search split has its out-of-fold scores or, where it held rows out, those of these rows.
        test : data frame of pandas, optional
            Fresh rows with the label, for the test split.
        name : str
            Name of the pool.

        Returns
        -------
        Pool
            Without weighted ensembles. Its costs ``ms_per_row``, to predict, and ``fit_s`` are times by AutoGluon's
            leaderboard.

        Raises
        ------
        InputError
            The predictor gives no probabilities of classes, or cannot predict the test rows.
        """
        from evo_ensyth.pool.autogluon import member_models, model_times, predictor_predictions

        models = member_models(predictor)
        predictions, y_true = predictor_predictions(predictor, models)
        held_out = None if test is None else predictor_predictions(predictor, models, test)
        costs = model_times(predictor, models, len(y_true if test is None else test), test)
        classes = list(predictor.class_labels)
        return cls.from_predictions(predictions, y_true, test=held_out, costs=costs, name=name, classes=classes)

    @staticmethod
    def _codes(groups: Any, test_groups: Any, tested: bool) -> dict[str, np.ndarray]:
        """Codes of the groups that are given, by the name of the argument."""
        given = {"groups": groups, "test_groups": test_groups}
        given = {name: values for name, values in given.items() if values is not None}
        if (given and len(given) < 1 + tested) or ("test_groups" in given and not tested):
            raise InputError("give groups for both splits, as groups and test_groups, or for none.")
        return coded_groups(given)

    def __len__(self) -> int:
        """Number of members."""
        return len(self.members)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{votes.n_samples:,} {split} samples" for split, votes in self.splits.items())
        costs = f", costs {', '.join(self.costs)}" if self.costs else ""
        return f"<Pool '{self.name}': {len(self)} members, {self.search.n_classes} classes, {sizes}{costs}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return what a notebook shows: a chart, a table and text."""
        errors = {votes.split: votes.member_errors / votes.n_samples for votes in self.splits.values()}
        bundle: dict[str, Any] = renderer("notebook").pool_bundle(self.names, errors, self.costs)
        return {**bundle, "text/plain": repr(self)}

    def _ipython_display_(self) -> None:
        """Show them in a notebook, one below the other."""
        renderer("notebook").display(self._repr_mimebundle_())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members."""
        return self.members.names

    @property
    def classes(self) -> Classes:
        """What the labels of its votes stand for, by place: whole numbers, booleans or text."""
        return self.search.classes

    @property
    def costs(self) -> Mapping[str, np.ndarray]:
        """Cost of each member by name; see `Members`."""
        return self.members.costs

    @property
    def shared(self) -> tuple[SharedPart, ...]:
        """Parts of the costs that an ensemble pays once; see `Members`."""
        return self.members.shared

    @property
    def splits(self) -> dict[str, Votes]:
        """Votes by the name of their split: ``search`` and, if there is one, ``test``."""
        return {votes.split: votes for votes in (self.search, self.test) if votes is not None}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about how the predictions were read, such as keys of a file that are not used; runs keep it."""
        return tuple(self.source.get("notes", ()))

    def with_cost(self, name: str, values: Any) -> "Pool":
        """Return the same pool with one more cost, numbers (n_members,)."""
        return replace(self, members=self.members.with_cost(name, values))

    def split(self, test_share: float = 0.5, split_seed: int = 0) -> "Pool":
        """Return the pool with some samples of the search split as the test split, at random.

        Parameters
        ----------
        test_share : float
            Share of the samples.
        split_seed : int

        Raises
        ------
        InputError
            There is a test split, or the share is not at least 0 and below 1.
        """
        from evo_ensyth.pool.splitting import check_split, test_samples

        check_split(test_share, split_seed)
        if self.test is not None or self.parent is not None:
            raise InputError("this pool has a test split, or a parent; only the samples of a pool without are split.")
        test, how = test_samples(self.search.y_true, self.search.groups, test_share, split_seed)
        rest = np.setdiff1d(np.arange(self.search.n_samples), test)
        told = {"test_share": test_share, "split_seed": split_seed, "split": how, "test_samples": test.tolist()}
        held_out = self.search.part(samples=test, split="test") if len(test) else None
        source = {**self.source, **told}
        return replace(self, search=self.search.part(samples=rest), test=held_out, source=source)

    def part(self, members: np.ndarray | Sequence[str]) -> "Pool":
        """Return the pool of a selection of the members.

        Parameters
        ----------
        members : int64 (n,), or sequence of str
            Their positions, in the order wanted, or patterns for their names, such as ``"net_trim-*"``.
        """
        positions, source = np.asarray(members), self.source
        if positions.dtype.kind == "U":
            positions = self.members.matching([str(pattern) for pattern in members])
            source = {**self.source, "members": [str(pattern) for pattern in members]}
        test = self.test.part(positions) if self.test else None
        return replace(
            self, members=self.members.part(positions), search=self.search.part(positions), test=test, source=source
        )
