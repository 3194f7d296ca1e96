"""A problem, a selector, a budget and a seed: what came out, on both splits, and its files.

The test split is read here and nowhere else, once, when all selection is over.
"""

import contextlib
import csv
import io
import itertools
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import evo_ensyth
from evo_ensyth import objectives
from evo_ensyth.errors import InputError
from evo_ensyth.files import read_json, write_json, write_whole
from evo_ensyth.objectives import Objective, judge
from evo_ensyth.objectives.error import error
from evo_ensyth.search import selectors
from evo_ensyth.search.bounds import broken
from evo_ensyth.search.evaluator import Evaluator, Milestone, SearchOver
from evo_ensyth.search.front import Front
from evo_ensyth.search.problem import Problem
from evo_ensyth.search.proof import PROVABLE, Proof, limits_of, prove_some
from evo_ensyth.search.statistics import interval, lowest
from evo_ensyth.search.verdict import RIVALS, Caution, Comparison, Versus, beside_rivals, cautions, compared
from evo_ensyth.voting import Ensembles, kernels

FORMAT = 2
READABLE = (1, 2)  # 1 had neither costs nor comparisons
MARKS = ("single_best", "whole_pool")
BOUND_SIDES = {"at_most": False, "at_least": True}
# What proving small sizes may cost: subsets to settle for each ensemble that was judged, and a share of the time where
# the search had a time limit.
PROVEN_PER_EVALUATION = 8
PROVEN_TIME = 0.1
LIBRARIES = ("numpy", "numba", "pymoo", "moocore", "scipy", "deap", "cma")


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


def run(
    problem: Problem,
    selector: str,
    *,
    against: Sequence[str] = (),
    budget: int | None = None,
    seconds: float | None = None,
    seed: int = 1,
    source: Mapping[str, Any] | None = None,
    observe: Callable[[str, Milestone], None] = lambda selector, milestone: None,
    tell: Callable[[str, str], None] = lambda selector, text: None,
    attach: Callable[[Evaluator], None] = lambda evaluator: None,
    settings: Mapping[str, Any] | None = None,
    criterion: Objective | None = None,
    scratch: Path | None = None,
) -> Run:
    """Search a problem with one selector, and with others for comparison.

    Parameters
    ----------
    problem : Problem
    selector : str
    against : sequence of str
        Selectors to compare with. They come first, so that an interrupted search has something to compare with.
    budget : int, optional
        Ensembles that each selector may have judged.
    seconds : float, optional
        Time that each selector may take.
    seed : int
        The same seed gives the same front.
    source : mapping, optional
        Noted in the run.
    observe : function of (selector, Milestone)
        Told how far it is.
    tell : function of (selector, str)
        Told what a long selector says of its progress.
    attach : function of Evaluator
        Given each evaluator before its search begins; ``stop`` ends it.
    settings : mapping, optional
        Settings of ``selector`` other than its defaults.
    criterion : Objective, optional
        What takes the error's place while ``selector`` searches; by default what the selector says. The others always
        go by what they say.
    scratch : Path, optional
        A folder where a long selector may keep what it needs to go on after an interruption.

    Raises
    ------
    InputError
        Unknown selector or setting, a budget or time that is not positive, a criterion where the error is not asked
        for, an objective that fails, or bounds that nothing keeps of what the selector had judged.
    """
    if budget is not None and budget < 1:
        raise InputError(f"the budget is {budget}; it takes at least 1 evaluation.")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InputError(f"the time limit is {seconds:g} seconds; it must be above 0.")
    if seed < 0:
        raise InputError(f"the seed is {seed}; it must be 0 or more.")
    names = [name for name in dict.fromkeys(against) if name != selector]
    chosen_selectors = {name: selectors.load(name) for name in names}
    chosen_selectors[selector] = selectors.load(selector, settings)
    if criterion is not None and all(goal.name != error.name for goal in problem.objectives):
        raise InputError(f"criterion '{criterion.name}' takes the place of the objective 'error'; ask for that, too.")
    searched: dict[str, Evaluator] = {}
    interrupted = False
    for name, chosen_selector in chosen_selectors.items():
        leading = objectives.find(selectors.criterion(chosen_selector), problem.pool)
        led = problem.led_by(criterion if criterion and name == selector else leading)
        led.reference  # noqa: B018 - worked out now, so that it costs no selector its time
        evaluator = Evaluator(
            led,
            budget=budget,
            seconds=seconds,
            observe=partial(observe, name),
            tell=partial(tell, name),
            scratch=scratch,
        )
        attach(evaluator)
        _search(evaluator, chosen_selector, seed)
        interrupted |= evaluator.stopped
        if len(evaluator.front):
            searched[name] = evaluator
        elif evaluator.nearest is not None and name == selector and not interrupted:
            raise _nothing_within(problem, evaluator, evaluator.nearest)
        if interrupted:
            break
    if not searched:
        raise KeyboardInterrupt  # stopped before anything was judged: there is nothing to tell
    # Stopped among the comparisons: what they found is the best there is to tell.
    main = selector if selector in searched else next(reversed(searched))
    tell(main, "proving small sizes")
    proof = None if interrupted else _prove(problem, searched[main])
    interrupted |= searched[main].stopped
    return _judged(problem, main, chosen_selectors, searched, budget, seconds, seed, source or {}, interrupted, proof)


def write_run(result: Run, folder: Path) -> None:
    """Write ``run.json``, ``front.csv`` and ``history.csv`` into an existing folder.

    Where the test split was made here, ``test_samples.csv`` says of which samples.
    """
    content = asdict(result)
    test_samples = content["source"].pop("test_samples", None)
    if test_samples is not None:
        write_whole(folder / "test_samples.csv", _csv(("sample",), [(sample,) for sample in test_samples]))
    write_json(folder / "run.json", {"format": FORMAT, **content})
    write_whole(folder / "front.csv", _front_table(result))
    rows = [
        (selection.selector, m.evaluations, f"{m.seconds:.4f}", repr(m.hypervolume))
        for selection in result.selections
        for m in selection.history
    ]
    write_whole(folder / "history.csv", _csv(("selector", "evaluations", "seconds", "hypervolume"), rows))


def read_run(folder: Path) -> Run:
    """Read the run that lies in a folder.

    Raises
    ------
    InputError
        No run there, or one that is not whole.
    """
    from pydantic import TypeAdapter, ValidationError  # only a report needs it

    path = folder / "run.json"
    content = read_json(path)
    if not isinstance(content, dict) or content.pop("format", None) not in READABLE:
        known = " or ".join(map(str, READABLE))
        raise InputError(f"{path}: field 'format' is not {known}; no run that this version can read.")
    try:
        found = TypeAdapter(Run).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: field '{place}': {first['msg']}; the file was changed or is not whole.") from error
    _check_run(path, found)
    return found


def _search(evaluator: Evaluator, selector: selectors.Selector, seed: int) -> None:
    with contextlib.suppress(SearchOver):
        selector.select(evaluator, np.random.default_rng(seed))
    evaluator.close()


def _nothing_within(problem: Problem, evaluator: Evaluator, nearest: np.ndarray) -> InputError:
    members = ", ".join(problem.pool.names[i] for i in np.flatnonzero(nearest))
    return InputError(
        f"none of the {evaluator.spent:,} ensembles that were judged keeps all bounds; nearest comes {members}: "
        f"{broken(problem.bounds, problem.on_search(nearest[None]))}."
    )


def _prove(problem: Problem, evaluator: Evaluator) -> Proof | None:
    """Prove what can be proven in little time, take in what turns up, and give the proof if there is one.

    There is none where compiled code cannot be kept: to compile the proof would take longer than the search. Nor where
    there are bounds: it would look among ensembles that break them. A front that was led by another criterion takes
    nothing in, and is proven only where it is as good.
    """
    if {goal.name for goal in problem.objectives} != PROVABLE or problem.bounds or not kernels.stored():
        return None
    errors = problem.on_search(evaluator.front.subsets).errors
    limits = limits_of(evaluator.front.subsets, errors, problem.search.n_samples)
    # Who has proven something himself has said how far he wants to go.
    most = 0 if evaluator.certified else PROVEN_PER_EVALUATION * evaluator.spent
    start = time.perf_counter()

    def go_on() -> bool:
        # By the clock only where the search went by it too: else the same seed must give the same front.
        in_time = evaluator.seconds is None or time.perf_counter() - start < PROVEN_TIME * evaluator.elapsed
        return in_time and not evaluator.stopped

    proof, better = prove_some(problem.search, limits, most, evaluator.certified, go_on=go_on)
    by_error = evaluator.criterion.name == error.name
    if better and by_error:
        evaluator.count(0, np.stack(better))
    if proof:
        as_low = np.ones(len(limits), bool) if by_error else limits <= proof.limits
        evaluator.certified = [size for size in proof.certified if as_low[size]]
    return proof


def _judged(
    problem: Problem,
    main: str,
    chosen_selectors: Mapping[str, selectors.Selector],
    searched: Mapping[str, Evaluator],
    budget: int | None,
    seconds: float | None,
    seed: int,
    source: Mapping[str, Any],
    interrupted: bool,
    proof: Proof | None,
) -> Run:
    """Judge all fronts on the test split, choose, and write everything down."""
    best = np.arange(len(problem.pool)) == problem.search.member_errors.argmin()
    plain = np.stack([best, np.ones_like(best)])
    subsets = np.concatenate([evaluator.front.subsets for evaluator in searched.values()] + [plain])
    on_search, on_test = problem.on_search(subsets), problem.on_test(subsets)
    entries = iter(_entries(problem, on_search, on_test))
    selections = {}
    for name, evaluator in searched.items():
        own = tuple(itertools.islice(entries, len(evaluator.front)))
        values = np.array([list(entry.search.values()) for entry in own])
        selections[name] = Selection(
            selector=name,
            settings=_settings(chosen_selectors[name]),
            evaluations=evaluator.spent,
            seconds=evaluator.elapsed,
            hypervolume=Front.of(evaluator.front.subsets, values).hypervolume(problem.reference),
            entries=own,
            history=tuple(evaluator.history),
            certified_sizes=tuple(evaluator.certified),
            criterion=evaluator.criterion.name,
        )
    front = replace(on_search, subsets=searched[main].front.subsets)
    front_on_test = replace(on_test, subsets=front.subsets) if on_test else None
    found = _with_versus(selections.pop(main), beside_rivals(front, front_on_test, problem.parent))
    return Run(
        problem=problem.name,
        seed=seed,
        budget=budget,
        seconds_limit=seconds,
        objectives=tuple(objective.name for objective in problem.objectives),
        units=tuple(objective.unit for objective in problem.objectives),
        reference=tuple(problem.reference.tolist()),
        n_members=len(problem.pool),
        n_search=problem.search.n_samples,
        n_test=problem.test.n_samples if problem.test else None,
        found=found,
        against=tuple(selections.values()),
        chosen=lowest(front.errors, front.sizes),
        marks={name: next(entries) for name in MARKS},
        fingerprints={votes.split: votes.fingerprint for votes in (problem.search, problem.test) if votes},
        source=source,
        interrupted=interrupted,
        versions=_versions(),
        lowest_errors=tuple(proof.lowest_errors()[1:].tolist()) if proof else None,
        bounds={
            side: {bound.measure.name: bound.limit for bound in problem.bounds if bound.at_least == is_least}
            for side, is_least in BOUND_SIDES.items()
        },
        parent_costs=problem.parent.costs if problem.parent else {},
    )


def _entries(problem: Problem, on_search: Ensembles, on_test: Ensembles | None) -> list[Entry]:
    names = [objective.name for objective in problem.objectives]
    costs = {cost: on_search.total(cost) for cost in problem.pool.costs}
    search_values = judge(problem.objectives, on_search)
    test_values = judge(problem.objectives, on_test) if on_test else None
    entries = []
    for row, subset in enumerate(on_search.subsets):
        indices = tuple(np.flatnonzero(subset).tolist())
        entries.append(
            Entry(
                indices=indices,
                members=tuple(problem.pool.names[i] for i in indices),
                search=dict(zip(names, search_values[row].tolist(), strict=True)),
                test=None if test_values is None else dict(zip(names, test_values[row].tolist(), strict=True)),
                search_errors=int(on_search.errors[row]),
                test_errors=int(on_test.errors[row]) if on_test else None,
                costs={cost: float(totals[row]) for cost, totals in costs.items()},
            )
        )
    return entries


def _with_versus(found: Selection, counts: Sequence[Mapping[str, Versus]]) -> Selection:
    pairs = zip(found.entries, counts, strict=True)
    return replace(found, entries=tuple(replace(entry, versus=versus) for entry, versus in pairs))


def _settings(selector: Any) -> dict[str, Any]:
    if not is_dataclass(selector):
        return {}
    settings = {field.name: getattr(selector, field.name) for field in fields(selector)}
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {"evo_ensyth": evo_ensyth.__version__, "python": platform.python_version(), **versions}


def _front_table(result: Run) -> bytes:
    goals = result.objectives
    header = ["selector", "size", "chosen", "search_error", "test_error", "test_low", "test_high"]
    compared_by = ("difference", "low", "high", "p", "p_corrected")
    header += [f"{split}_{goal}" for split in ("search", "test") for goal in goals if goal != "error"]
    header += [f"{rival}_{what}" for rival in RIVALS for what in compared_by]
    header += ["indices", "members"]
    rows = []
    for selection in result.selections:
        for i, entry in enumerate(selection.entries):
            chosen = selection is result.found and i == result.chosen
            low, high = result.test_interval(entry) or ("", "")
            row: list[Any] = [selection.selector, entry.size, int(chosen), result.error(entry, "search")]
            row += ["" if entry.test_errors is None else result.error(entry, "test"), low, high]
            for values in (entry.search, entry.test):
                row += [values[goal] if values else "" for goal in goals if goal != "error"]
            beside = result.comparisons[i] if selection is result.found else {}
            for rival in RIVALS:
                comparison = beside.get(rival, Comparison(0.0))
                row += [
                    comparison.on_test,
                    *(comparison.interval or ("", "")),
                    comparison.p_value,
                    comparison.corrected,
                ]
            row += [" ".join(map(str, entry.indices)), _text(" ".join(entry.members))]
            rows.append(row)
    return _csv(header, rows)


def _text(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return "'" + text if text[:1] in "=+-@\t\r" else text


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def _check_run(path: Path, found: Run) -> None:
    """Check what types do not say."""
    split_sizes = {"n_members": found.n_members, "n_search": found.n_search, "n_test": found.n_test}
    for name, size in split_sizes.items():
        if size is not None and size < 1:
            raise InputError(f"{path}: field '{name}' is {size}; it must be 1 or more.")
    if not 0 <= found.chosen < len(found.found.entries):
        raise InputError(f"{path}: field 'chosen' is {found.chosen}; there are {len(found.found.entries)} entries.")
    if set(found.marks) != set(MARKS):
        raise InputError(f"{path}: field 'marks' holds {', '.join(found.marks)}; expected {', '.join(MARKS)}.")
    goals = set(found.objectives)
    if not goals or len(found.units) != len(found.objectives) or len(found.reference) != len(found.objectives):
        raise InputError(f"{path}: fields 'objectives', 'units' and 'reference' must be of one length, and not empty.")
    if "search" not in found.fingerprints or ("test" in found.fingerprints) != (found.n_test is not None):
        raise InputError(f"{path}: field 'fingerprints' must name the splits that the run has.")
    if not set(found.bounds) <= set(BOUND_SIDES):
        raise InputError(f"{path}: field 'bounds' holds {', '.join(found.bounds)}; expected {', '.join(BOUND_SIDES)}.")
    for entry in (*found.marks.values(), *(e for selection in found.selections for e in selection.entries)):
        splits = [(entry.search, entry.search_errors, found.n_search)]
        if found.n_test is not None:
            splits.append((entry.test or {}, -1 if entry.test_errors is None else entry.test_errors, found.n_test))
        if not entry.indices or len(entry.members) != len(entry.indices):
            raise InputError(f"{path}: an entry has {len(entry.indices)} indices and {len(entry.members)} members.")
        for values, errors, n_samples in splits:
            if set(values) != goals or not np.isfinite(list(values.values())).all() or not 0 <= errors <= n_samples:
                raise InputError(f"{path}: the entry {list(entry.indices)} has values that cannot be.")
        if not _can_be(entry, found.n_search, found.n_test):
            raise InputError(f"{path}: the entry {list(entry.indices)} has costs or comparisons that cannot be.")
    if not all(selection.entries for selection in found.selections):
        raise InputError(f"{path}: a selector has no entries.")
    if len({tuple(entry.costs) for entry in found.found.entries}) > 1:
        raise InputError(f"{path}: the entries of '{found.found.selector}' have different costs.")
    if not np.isfinite(list(found.parent_costs.values())).all():
        raise InputError(f"{path}: field 'parent_costs' holds what is not finite.")


def _can_be(entry: Entry, n_search: int, n_test: int | None) -> bool:
    """Whether costs are finite, and counts of an entry's own errors and of its rivals' are such as may be counted."""
    for versus in entry.versus.values():
        if (versus.test is None) != (n_test is None):
            return False
        for pair, errors, n in (
            (versus.search, entry.search_errors, n_search),
            (versus.test, entry.test_errors, n_test),
        ):
            if pair and not (0 <= pair[0] <= (errors or 0) and 0 <= pair[1] <= (n or 0) - (errors or 0)):
                return False
    return set(entry.versus) <= set(RIVALS) and bool(np.isfinite(list(entry.costs.values())).all())
