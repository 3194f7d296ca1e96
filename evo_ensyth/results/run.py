"""A run: what a search was asked, what it found, and everything else needed to report or repeat it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.plugins import renderer
from evo_ensyth.pool.classes import Classes
from evo_ensyth.results.comparison import Caution, compare
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.front import Front
from evo_ensyth.results.front_members import FrontMembers
from evo_ensyth.results.metric import Metric
from evo_ensyth.results.pick import pick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VOTE = "plurality, ties to the lowest class"  # of earlier formats
CONSTRAINT_SIDES = ("at_most", "at_least")
FORMAT = 4  # of the JSON form


@dataclass(frozen=True)
class Run:
    """One search: its front, the fronts of its baselines, and what is recommended.

    Attributes
    ----------
    problem : str
    front : Front
        What the selector found.
    baselines : tuple of Front
        What other selectors found on the same problem, with the same budget and seed.
    recommended_index : int
        Position of the recommended ensemble in ``front``.
    recommend_by : str
        ``size_rule`` or ``lowest_error``; see `evo_ensyth.selection.recommendation.recommend`.
    estimate : Estimate, optional
        The error to expect of what is recommended, by nested cross-validation on the search split.
    single_best, whole_pool : Ensemble
        The member with the fewest errors on the search split, and all members together.
    objectives, units : tuple of str
    reference_point : tuple of float
        Of the hypervolumes.
    constraints : mapping of str to mapping of str to float
        ``at_most`` and ``at_least``: limits by name, which all ensembles of all fronts keep on the search split.
    lowest_errors : tuple of int, optional
        By size, from 1: no ensemble of this size makes fewer errors on the search split.
    fingerprints : mapping of split to str
        Of the votes; runs that can be compared have the same.
    source : mapping
        What was searched, and how it was split.
    parent_costs : mapping of str to float
        Of the network that the members were made from.
    vote : str
        How the members vote.
    classes : tuple of labels
        What the pool calls its classes, by place; empty in runs of earlier versions.
    interrupted : bool
    interrupted_by : str, optional
        Name of the signal that ended the search early, such as ``SIGINT`` for Ctrl-C.
    patience : float, optional
        Share of its budget or time that a selector may spend without a gain; see `evo_ensyth.selection.budget.Budget`.
    time : str, optional
        When the search began, in UTC, such as ``2026-11-28T03:27:41Z``; None in runs of earlier versions.
    command : str, optional
        The command line that asked for it, or ``Python``.
    folder : str, optional
        Where it was read from.
    metrics : tuple of Metric
        The recommended ensemble by each objective that is neither about errors nor a cost.
    front_members : FrontMembers, optional
        The members that occur on the front, of very many the most frequent; None in runs of earlier versions.
    """

    problem: str
    seed: int
    budget: int | None
    seconds_limit: float | None
    objectives: tuple[str, ...]
    units: tuple[str, ...]
    reference_point: tuple[float, ...]
    n_members: int
    n_search: int
    n_test: int | None
    front: Front
    baselines: tuple[Front, ...]
    recommended_index: int
    single_best: Ensemble
    whole_pool: Ensemble
    fingerprints: Mapping[str, str]
    source: Mapping[str, Any]
    interrupted: bool
    versions: Mapping[str, str]
    lowest_errors: tuple[int, ...] | None = None
    constraints: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parent_costs: Mapping[str, float] = field(default_factory=dict)
    vote: str = VOTE
    classes: Classes = ()
    recommend_by: str = "lowest_error"
    estimate: Estimate | None = None
    interrupted_by: str | None = None
    patience: float | None = None
    time: str | None = None
    command: str | None = None
    folder: str | None = field(default=None, compare=False)
    metrics: tuple[Metric, ...] = ()
    front_members: FrontMembers | None = None

    def __post_init__(self) -> None:
        self._check()
        # Every ensemble knows the sizes it needs, and those of the front their comparisons.
        sizes: dict[str, Any] = {"n_pool": self.n_members, "n_search": self.n_search, "n_test": self.n_test}
        sizes["classes"] = self.classes
        found = compare([ensemble.discordant for ensemble in self.front], self.n_search, self.n_test)
        ensembles = tuple(
            replace(
                ensemble,
                comparisons=comparisons,
                is_single_best=ensemble.indices == self.single_best.indices,
                **sizes,
            )
            for ensemble, comparisons in zip(self.front, found, strict=True)
        )
        baselines = tuple(
            replace(front, ensembles=tuple(replace(ensemble, **sizes) for ensemble in front))
            for front in self.baselines
        )
        object.__setattr__(self, "front", replace(self.front, ensembles=ensembles))
        object.__setattr__(self, "baselines", baselines)
        object.__setattr__(self, "single_best", replace(self.single_best, is_single_best=True, **sizes))
        object.__setattr__(self, "whole_pool", replace(self.whole_pool, **sizes))

    def _check(self) -> None:
        """Check what the types of the fields do not say: a run may come from a file that somebody changed."""
        for name in ("n_members", "n_search", "n_test"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise InputError(f"field '{name}' is {size}; it must be 1 or more.")
        if not self.objectives or not len(self.objectives) == len(self.units) == len(self.reference_point):
            raise InputError(
                "fields 'objectives', 'units' and 'reference_point' must have one length, and not be empty."
            )
        if "search" not in self.fingerprints or ("test" in self.fingerprints) != (self.n_test is not None):
            raise InputError("field 'fingerprints' must name the splits that the run has.")
        if not set(self.constraints) <= set(CONSTRAINT_SIDES):
            found, expected = ", ".join(self.constraints), ", ".join(CONSTRAINT_SIDES)
            raise InputError(f"field 'constraints' holds {found}; expected {expected}.")
        if not np.isfinite(list(self.parent_costs.values())).all():
            raise InputError("field 'parent_costs' holds a value that is not finite.")
        if not all(front.ensembles for front in self.fronts):
            raise InputError("a front has no ensembles.")
        if not 0 <= self.recommended_index < len(self.front):
            raise InputError(
                f"field 'recommended_index' is {self.recommended_index}; the front has {len(self.front)} ensembles."
            )
        if len({tuple(ensemble.costs) for ensemble in self.front}) > 1:
            raise InputError(f"the ensembles of '{self.front.selector}' have different costs.")
        for ensemble in (self.single_best, self.whole_pool, *(e for front in self.fronts for e in front)):
            self._check_ensemble(ensemble)

    def _check_ensemble(self, ensemble: Ensemble) -> None:
        splits = [(ensemble.search, ensemble.search_errors, self.n_search, "search")]
        if self.n_test is not None:
            n_errors = -1 if ensemble.test_errors is None else ensemble.test_errors
            splits.append((ensemble.test or {}, n_errors, self.n_test, "test"))
        for values, n_errors, n_samples, split in splits:
            if set(values) != set(self.objectives) or not 0 <= n_errors <= n_samples:
                raise InputError(f"the ensemble {list(ensemble.indices)} has impossible values on the {split} split.")
            for counts in ensemble.discordant.values():
                pair = getattr(counts, split)
                possible = pair and 0 <= pair[0] <= n_errors and 0 <= pair[1] <= n_samples - n_errors
                if not possible or not 1 <= counts.design_effect <= n_samples:
                    raise InputError(f"the ensemble {list(ensemble.indices)} has impossible discordant samples.")
        if self.n_test is None and any(counts.test for counts in ensemble.discordant.values()):
            raise InputError(
                f"the ensemble {list(ensemble.indices)} has discordant samples of a split that is not there."
            )

    @property
    def fronts(self) -> tuple[Front, ...]:
        """The selector's front, then those of the baselines."""
        return (self.front, *self.baselines)

    @property
    def recommended(self) -> Ensemble:
        """The ensemble to take unless costs that were not minimised matter; chosen on the search split alone."""
        return self.front[self.recommended_index]

    @property
    def leading_metric(self) -> Metric | None:
        """The metric that led the search and the recommendation; None where the error, or an estimate of it, did."""
        return next((metric for metric in self.metrics if metric.name == self.front.leading), None)

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """What to know before trusting the recommended ensemble."""
        return self.recommended.warnings

    @property
    def constraints_in_words(self) -> str:
        """All constraints; empty where there are none."""
        return ", ".join(
            f"{name} {side.replace('_', ' ')} {limit:,.6g}"
            for side, limits in self.constraints.items()
            for name, limit in limits.items()
        )

    def pick(
        self, *, size: int | None = None, at_most: Mapping[str, float] | None = None, rule: str | None = None
    ) -> Ensemble:
        """Take one ensemble of the front, by its data on the search split alone.

        Parameters
        ----------
        size : int, optional
            The ensemble of this many members with the fewest errors.
        at_most : mapping of a cost or an objective to its largest value, optional
            The ensemble that is recommended among those that cost no more.
        rule : str, optional
            ``recommended``, ``lowest_error``, ``knee`` or ``one_standard_error``; see `pick`.

        Raises
        ------
        InputError
            More than one of them is given, or the front has no such ensemble; the message names the nearest.
        """
        return self.front[
            pick(self.front, self.objectives, self.recommended_index, size=size, at_most=at_most, rule=rule)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON values, as ``run.json`` and ``--json`` have it; see ``docs/formats.md``."""
        return {
            "format": FORMAT,
            "time": self.time,
            "command": self.command,
            "folder": self.folder,
            "problem": self.problem,
            "vote": self.vote,
            "selector": self.front.selector,
            "seed": self.seed,
            "budget": self.budget,
            "seconds_limit": self.seconds_limit,
            "patience": self.patience,
            "interrupted": self.interrupted,
            "interrupted_by": self.interrupted_by,
            "objectives": list(self.objectives),
            "units": list(self.units),
            "constraints": {side: dict(limits) for side, limits in self.constraints.items()},
            "reference_point": list(self.reference_point),
            "n_members": self.n_members,
            "n_search": self.n_search,
            "n_test": self.n_test,
            "recommend_by": self.recommend_by,
            "recommended_index": self.recommended_index,
            "estimate": None if self.estimate is None else self.estimate.to_dict(),
            "metrics": [metric.to_dict() for metric in self.metrics],
            "front_members": None if self.front_members is None else self.front_members.to_dict(),
            "recommended": self.recommended.to_dict(),
            "front": _front(self.front),
            "baselines": [_front(front) for front in self.baselines],
            "single_best": self.single_best.to_dict(),
            "whole_pool": self.whole_pool.to_dict(),
            "lowest_errors": self.lowest_errors and list(self.lowest_errors),
            "parent_costs": dict(self.parent_costs),
            "fingerprints": dict(self.fingerprints),
            "source": {key: value for key, value in self.source.items() if key != "test_samples"},
            "classes": list(self.classes),
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Run":
        """Make a run of what `to_dict` gave. What follows from other fields is worked out anew.

        Raises
        ------
        pydantic.ValidationError
            A field is missing or has another type.
        """
        read: Run = _adapter().validate_python(content)
        return read

    def plot(self, split: str = "search", ax: "Axes | None" = None) -> "Axes":
        """Draw the fronts on matplotlib axes, on new ones by default, and return them."""
        axes: Axes = renderer("renderers.plots").plot_fronts((self,), split, ax)
        return axes

    def save(self, folder: str | Path, *, numbered: bool = False) -> Path:
        """Write the run into a new folder, with its tables, pictures and page; `evo_ensyth.read_run` reads it.

        Parameters
        ----------
        folder : str or Path
        numbered : bool
            If there is such a folder, append the next free number to its name.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InputError
            The folder exists or cannot be written.
        """
        written: Path = renderer("folder").write_run_folder(self, Path(folder), numbered=numbered)
        return written

    def __repr__(self) -> str:
        text: str = renderer("console").run_as_text(self)
        return text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Return what a notebook shows: a chart, a table and text."""
        bundle: dict[str, Any] = renderer("notebook").run_bundle(self)
        return bundle

    def _ipython_display_(self) -> None:
        """Show them in a notebook, one below the other."""
        renderer("notebook").display(self._repr_mimebundle_())

    def _repr_html_(self) -> str:
        text: str = renderer("html").run_as_html(self)
        return text


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # takes a quarter of a second, and only reading a run needs it

    return TypeAdapter(Run)


def _front(front: Front) -> dict[str, Any]:
    return {
        "selector": front.selector,
        "settings": dict(front.settings),
        "leading": front.leading,
        "n_evaluations": front.n_evaluations,
        "seconds": front.seconds,
        "seconds_compiling": front.seconds_compiling,
        "ended_by": front.ended_by,
        "hypervolume": front.hypervolume,
        "proven_sizes": list(front.proven_sizes),
        "ensembles": [ensemble.to_dict() for ensemble in front],
        "history": [asdict(milestone) for milestone in front.history],
    }
