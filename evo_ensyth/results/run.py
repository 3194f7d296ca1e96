"""What a search found: ensembles, what each selector spent, and everything else that is told of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from evo_ensyth.results.comparison import Caution, Comparison, Versus, cautions, compared
from evo_ensyth.results.statistics import interval

MARKS = ("single_best", "whole_pool")
BOUND_SIDES = ("at_most", "at_least")


@dataclass(frozen=True)
class Milestone:
    """How far a selector had come at one moment."""

    evaluations: int
    seconds: float
    hypervolume: float


@dataclass(frozen=True)
class Entry:
    """One ensemble, judged on both splits.

    Attributes
    ----------
    indices, members : tuple of int, tuple of str
        Who votes.
    search, test : mapping of objective to value
        ``test`` is None where there is no test split.
    search_errors, test_errors : int
        Samples on which the vote is wrong, whatever the objectives are.
    costs : mapping of str to float
        Every cost of the pool, added up; what members share counts once.
    versus : mapping of rival to Versus
        Where it differs from what is simpler to have; only for what was found.
    """

    indices: tuple[int, ...]
    members: tuple[str, ...]
    search: Mapping[str, float]
    test: Mapping[str, float] | None
    search_errors: int
    test_errors: int | None
    costs: Mapping[str, float] = field(default_factory=dict)
    versus: Mapping[str, Versus] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.indices)


@dataclass(frozen=True)
class Selection:
    """What one selector found, and what it spent.

    Attributes
    ----------
    entries : tuple of Entry
        Its front, sorted by size.
    history : tuple of Milestone
    certified_sizes : tuple of int
        Sizes of which no ensemble makes fewer errors on the search split than the front does up to that size.
    criterion : str
        The objective that led: it may have taken the error's place while searching. The front is what nothing dominates
        by it, and ``history`` is in its terms; entries and ``hypervolume`` are in terms of the objectives asked for.
    """

    selector: str
    settings: Mapping[str, Any]
    evaluations: int
    seconds: float
    hypervolume: float
    entries: tuple[Entry, ...]
    history: tuple[Milestone, ...]
    certified_sizes: tuple[int, ...] = ()
    criterion: str = "error"


@dataclass(frozen=True)
class Run:
    """Everything about one search that can be told or repeated.

    Attributes
    ----------
    found : Selection
    against : tuple of Selection
        The same problem, budget and seed with other selectors.
    chosen : int
        Index of the recommended entry of ``found``: the ensemble with the lowest error on the search split; of equals
        the smallest.
    marks : mapping
        ``single_best`` and ``whole_pool``, for comparison.
    bounds : mapping of str to mapping of str to float
        ``at_most`` and ``at_least``: limits by name, which all ensembles of all fronts keep on the search split.
    lowest_errors : tuple of int, optional
        By size, from 1: errors on the search split that no ensemble of this size is below, whoever is in it.
    fingerprints : mapping of split to str
        Of the votes; runs that can be compared have the same.
    source : mapping
        What was searched, and how it was split.
    parent_costs : mapping of str to float
        Of the network that the members were made from.
    """

    problem: str
    seed: int
    budget: int | None
    seconds_limit: float | None
    objectives: tuple[str, ...]
    units: tuple[str, ...]
    reference: tuple[float, ...]
    n_members: int
    n_search: int
    n_test: int | None
    found: Selection
    against: tuple[Selection, ...]
    chosen: int
    marks: Mapping[str, Entry]
    fingerprints: Mapping[str, str]
    source: Mapping[str, Any]
    interrupted: bool
    versions: Mapping[str, str]
    lowest_errors: tuple[int, ...] | None = None
    bounds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parent_costs: Mapping[str, float] = field(default_factory=dict)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What was found, then what it is compared with."""
        return (self.found, *self.against)

    @property
    def bounds_in_words(self) -> str:
        """All bounds; nothing where there are none."""
        return ", ".join(
            f"{name} {side.replace('_', ' ')} {limit:,.6g}"
            for side, limits in self.bounds.items()
            for name, limit in limits.items()
        )

    def error(self, entry: Entry, split: str) -> float:
        """Error rate of an entry on a split; NaN without one."""
        if split == "search":
            return entry.search_errors / self.n_search
        return float("nan") if entry.test_errors is None or not self.n_test else entry.test_errors / self.n_test

    def search_interval(self, entry: Entry) -> tuple[float, float]:
        """Wilson's 95 % interval for an entry's search error, as if it had not been chosen by it."""
        return interval(entry.search_errors, self.n_search)

    def test_interval(self, entry: Entry) -> tuple[float, float] | None:
        """Wilson's 95 % interval for an entry's test error."""
        return interval(entry.test_errors, self.n_test) if entry.test_errors is not None and self.n_test else None

    def optimism(self, entry: Entry) -> float:
        """Error on the test split minus that on the search split; NaN without a test split."""
        return self.error(entry, "test") - self.error(entry, "search")

    def is_single_best(self, entry: Entry) -> bool:
        """Whether an entry is the member with the fewest errors on the search split, alone."""
        return entry.indices == self.marks["single_best"].indices

    @cached_property
    def comparisons(self) -> list[dict[str, Comparison]]:
        """What each entry of ``found`` is worth beside its rivals."""
        return compared([entry.versus for entry in self.found.entries], self.n_search, self.n_test)

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """What must be known before the recommended ensemble is trusted."""
        return self.warnings_of(self.chosen)

    def warnings_of(self, index: int) -> tuple[Caution, ...]:
        """What must be known before an entry of ``found`` is trusted."""
        entry = self.found.entries[index]
        return cautions(entry.size, self.is_single_best(entry), self.comparisons[index], tested=bool(self.n_test))

    def brief(self, entry: Entry, beside: Mapping[str, Comparison]) -> dict[str, Any]:
        """What ``--json`` prints of one ensemble, which may have comparisons."""
        return {
            "indices": list(entry.indices),
            "members": list(entry.members),
            "search": dict(entry.search),
            "test": None if entry.test is None else dict(entry.test),
            "search_interval": self.search_interval(entry),
            "test_interval": self.test_interval(entry),
            "optimism": None if entry.test is None else self.optimism(entry),
            "costs": dict(entry.costs),
            "versus": {rival: asdict(comparison) for rival, comparison in beside.items()},
        }

    def summary(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "problem": self.problem,
            "selector": self.found.selector,
            "criterion": self.found.criterion,
            "seed": self.seed,
            "budget": self.budget,
            "evaluations": self.found.evaluations,
            "seconds": round(self.found.seconds, 3),
            "objectives": list(self.objectives),
            "bounds": {side: dict(limits) for side, limits in self.bounds.items()},
            "reference": list(self.reference),
            "hypervolume": {selection.selector: selection.hypervolume for selection in self.selections},
            "n_members": self.n_members,
            "front": list(map(self.brief, self.found.entries, self.comparisons)),
            "chosen": self.chosen,
            "against": {s.selector: [self.brief(entry, {}) for entry in s.entries] for s in self.against},
            "certified_sizes": list(self.found.certified_sizes),
            "lowest_error": self.lowest_errors and [errors / self.n_search for errors in self.lowest_errors],
            "warnings": [asdict(warning) for warning in self.warnings],
            "parent_costs": dict(self.parent_costs),
        }
