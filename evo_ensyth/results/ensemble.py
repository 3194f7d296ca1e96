"""One ensemble that a search found: who votes, how well, at what cost, and what it answers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import unknown
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.pool.classes import Classes, LabelCodes, ordered
from evo_ensyth.pool.frames import is_frame
from evo_ensyth.pool.labels import NO_ANSWER
from evo_ensyth.pool.missing import absent_rows
from evo_ensyth.pool.predictions import columns_of
from evo_ensyth.results.comparison import BASELINES, Caution, Comparison, Discordant, cautions
from evo_ensyth.results.fitted_ensemble import FittedEnsemble
from evo_ensyth.results.statistics import interval
from evo_ensyth.voting import EnsembleVote, plain_plurality

SPLITS = ("search", "test")


@dataclass(frozen=True)
class Ensemble:
    """Some members of a pool, voting together, judged on both splits.

    Checks itself when built.

    Attributes
    ----------
    indices, members : tuple of int, tuple of str
        Positions in the pool, and names.
    search, test : mapping of objective to value
        ``test`` is None where there is no test split.
    search_errors, test_errors : int
        Samples on which the vote is wrong, whatever the objectives are.
    intervals : mapping of split to (float, float)
        Intervals for the error where samples come in groups.
    costs : mapping of str to float
        Every cost of the pool, added up; what members share counts once.
    discordant : mapping of baseline to Discordant
        Samples that only the ensemble, or only the baseline, gets wrong; for the ensembles of a run's own front.
    n_pool, n_search, n_test : int
        Members of the pool, and samples of both splits.
    comparisons : mapping of baseline to Comparison
        What the discordant samples say.
    criterion : float, optional
        What a recommendation weighs against cost: the smoothed error on the search split, or the leading objective.
    voting : EnsembleVote, optional
        How the members vote, with everything that was fitted; by default plurality, ties to the lowest class.
    classes : tuple of labels
        What the pool calls its classes, by place.
    is_single_best : bool
        Whether it is the member with the fewest errors on the search split, alone.
    """

    indices: tuple[int, ...]
    members: tuple[str, ...]
    search: Mapping[str, float]
    test: Mapping[str, float] | None
    search_errors: int
    test_errors: int | None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    criterion: float | None = None
    voting: EnsembleVote | None = None
    discordant: Mapping[str, Discordant] = field(default_factory=dict)
    n_pool: int = 0
    n_search: int = 0
    n_test: int | None = None
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    is_single_best: bool = False
    classes: Classes = ()

    def __post_init__(self) -> None:
        who = f"the ensemble {list(self.indices)}"
        if not self.indices or len(self.members) != len(self.indices):
            raise InputError(f"an ensemble has {len(self.indices)} indices and {len(self.members)} members.")
        for split, (low, high) in self.intervals.items():
            if split not in SPLITS or not 0 <= low <= high <= 1:
                raise InputError(f"{who} has an impossible interval of its error on the split '{split}'.")
        for what, values in (("search", self.search), ("test", self.test or {}), ("costs", self.costs)):
            if not np.isfinite(list(values.values())).all():
                raise InputError(f"{who} has a value in '{what}' that is not finite.")
        if not set(self.discordant) <= set(BASELINES):
            raise InputError(f"{who} is compared with {', '.join(self.discordant)}; expected {', '.join(BASELINES)}.")

    def __len__(self) -> int:
        """Number of members."""
        return len(self.indices)

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.indices)

    def __repr__(self) -> str:
        names = ", ".join(self.members[:4]) + (", ..." if self.size > 4 else "")
        test = "" if self.test_errors is None else f", test error {self.error('test'):.2%}"
        return f"<Ensemble of {self.size}: search error {self.error('search'):.2%}{test}; {names}>"

    def error(self, split: str = "search") -> float:
        """Share of the samples of a split that the vote gets wrong; NaN where there is no such split."""
        n_errors, n_samples = self._counts(split)
        return float("nan") if n_errors is None or not n_samples else n_errors / n_samples

    def interval(self, split: str = "test") -> tuple[float, float] | None:
        """95 % interval for the error on a split; None where there is no such split.

        Wilson's or, where samples come in groups, one that takes whole groups as units. On the search split it is too
        optimistic: the ensemble was chosen there.
        """
        n_errors, n_samples = self._counts(split)
        if split in self.intervals:
            return self.intervals[split]
        return None if n_errors is None or not n_samples else interval(n_errors, n_samples)

    @property
    def optimism(self) -> float:
        """Error on the test split minus that on the search split; NaN without a test split."""
        return self.error("test") - self.error("search")

    @property
    def all_costs(self) -> dict[str, float]:
        """Everything known of its cost: the number of members, costs of the pool, objectives on the search split."""
        return {"n_members": float(self.size), **self.costs, **self.search}

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """What to know before trusting it."""
        return cautions(self.size, self.is_single_best, self.comparisons, tested=bool(self.n_test))

    def predict(self, predictions: Any) -> np.ndarray:
        """Return the label that the members vote for, for each sample.

        Parameters
        ----------
        predictions : array, mapping or data frame
            What the members answer: class labels, or probabilities, of which the most likely class votes. An array is
            (n_members, n_samples) or (n_members, n_samples, n_classes), with a row for each member of the pool or for
            each member of the ensemble, in their order; columns of probabilities are in the order of the classes, which
            are sorted. A mapping of names to predictions, or a data frame with named columns, may hold further members.
            Where a member has no answer: -1, NaN or None; of probabilities, a row of NaN.

        Returns
        -------
        labels, (n_samples,)
            By the vote rule of the search; classes as the pool calls them: whole numbers, booleans or text. Where no
            member has an answer, -1 or empty text.

        Raises
        ------
        InputError
            Members are missing, or their predictions do not fit; the vote adds probabilities, and these are labels.
        """
        classes, votes = self._votes(predictions)
        if votes is None:
            return np.array(classes[:0] or [], np.array(classes).dtype if classes else np.int64)
        places = self._vote.predict(votes)
        unanswered = "" if isinstance(classes[0], str) else NO_ANSWER
        named = np.array([*classes, unanswered] if (places == len(classes)).any() else classes)
        return np.asarray(named[places])

    def predict_proba(self, predictions: Any) -> np.ndarray:
        """Return the share of each class in the vote, for each sample.

        That is the mean of the members' tempered probabilities where the vote adds probabilities, and the share of the
        members that vote for the class under plurality.

        Parameters
        ----------
        predictions : array, mapping or data frame
            As for `predict`.

        Returns
        -------
        float64, (n_samples, n_classes)
            Columns are in the order of ``classes``. Classes have equal shares where no member has an answer.

        Raises
        ------
        InputError
            As for `predict`, or the members answer with a class that the pool does not know.
        """
        classes, votes = self._votes(predictions)
        if self.classes and classes != self.classes:
            new = next((label for label in classes if label not in self.classes), classes[0])
            raise InputError(f"the predictions hold the class {new}, which the search did not know.")
        return np.zeros((0, len(classes))) if votes is None else self._vote.shares(votes)

    def with_members(self, members: Any) -> FittedEnsemble:
        """Return the ensemble with its members as fitted models, which it then asks itself.

        Parameters
        ----------
        members : mapping of str to model
            Estimators of scikit-learn, or of anything with ``predict``; modules of PyTorch that give logits; functions
            that return labels or probabilities. There may be more than the members of the ensemble.

        Raises
        ------
        InputError
            A member of the ensemble is missing.
        """
        return FittedEnsemble(self, members)

    @property
    def needs_scores(self) -> bool:
        """Whether the members' probabilities are needed to vote."""
        return self._vote.needs_scores

    @property
    def _vote(self) -> EnsembleVote:
        return self.voting or plain_plurality(self.size)

    def _votes(self, predictions: Any) -> tuple[Classes, Votes | None]:
        """Classes in their order, and what the members answer; None without samples."""
        rows = self._rows(predictions)
        if rows[0].ndim == 1 and self.needs_scores:
            raise InputError("this ensemble adds probabilities; give those, (n_samples, n_classes) for each member.")
        if rows[0].ndim == 1:
            classes, labels = _labels_of(rows, self.classes)
        else:
            n_columns = rows[0].shape[1]
            classes = self.classes if len(self.classes) == n_columns else tuple(range(n_columns))
            holes = np.array([absent_rows(scores, "the predictions") for scores in rows])
            rows = [np.where(hole[:, None], 0, scores) for hole, scores in zip(holes, rows, strict=True)]
            labels = np.where(holes, NO_ANSWER, [scores.argmax(axis=1) for scores in rows])
        if not labels.shape[1]:
            return classes, None
        truth = np.zeros(labels.shape[1], np.int64)  # not used
        scores = partial(Scores, rows, truth, "new") if rows[0].ndim == 2 else None
        return classes, Votes(labels, truth, len(classes), "new", scores, classes=classes)

    def _rows(self, predictions: Any) -> list[np.ndarray]:
        """Predictions of each member, (n_samples,) or (n_samples, n_classes)."""
        if isinstance(predictions, Mapping) or is_frame(predictions):
            columns = columns_of(predictions, "the predictions")
            for name in self.members:
                if name not in columns:
                    raise unknown("member in these predictions", name, columns)
            rows = [np.asarray(columns[name]) for name in self.members]
        else:
            rows = [np.asarray(row) for row in predictions] if isinstance(predictions, Iterable) else []
            if len(rows) == self.n_pool:
                rows = [rows[i] for i in self.indices]
            if len(rows) != self.size or rows[0].ndim not in (1, 2):
                raise InputError(
                    f"the predictions have shape {np.shape(predictions)}; expected a row for each of the {self.n_pool} "
                    f"members of the pool, or of the {self.size} of the ensemble."
                )
        if len({row.shape for row in rows}) > 1 or rows[0].ndim not in (1, 2):
            raise InputError(
                f"the predictions have the shapes {', '.join(str(row.shape) for row in rows)}; expected one of "
                "(n_samples,) or (n_samples, n_classes) for all."
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything about it as JSON values; see ``docs/formats.md``."""
        return {
            "indices": list(self.indices),
            "members": list(self.members),
            "search": dict(self.search),
            "test": None if self.test is None else dict(self.test),
            "search_errors": self.search_errors,
            "test_errors": self.test_errors,
            "search_interval": self.interval("search"),
            "test_interval": self.interval("test"),
            "optimism": None if self.test_errors is None else self.optimism,
            "intervals": {split: list(interval) for split, interval in self.intervals.items()},
            "criterion": self.criterion,
            "voting": None if self.voting is None else self.voting.to_dict(),
            "costs": dict(self.costs),
            "discordant": {name: asdict(counts) for name, counts in self.discordant.items()},
            "comparisons": {name: asdict(comparison) for name, comparison in self.comparisons.items()},
            "warnings": [asdict(warning) for warning in self.warnings] if self.comparisons or self.n_pool else [],
        }

    def _counts(self, split: str) -> tuple[int | None, int | None]:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        return (self.search_errors, self.n_search) if split == "search" else (self.test_errors, self.n_test)


def _labels_of(rows: Sequence[np.ndarray], classes: Classes) -> tuple[Classes, np.ndarray]:
    """Sort the classes of a pool and those that only new predictions know; places of labels, -1 for no answer."""
    codes = LabelCodes()
    known = codes.add(list(classes) or [0], "the classes")
    answers = np.array([codes.add(row, "the predictions") for row in rows])
    order = ordered(codes, set(known.tolist()))
    return order.classes, order.rank[answers]
