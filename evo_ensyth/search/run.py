"""A problem, a selector, a budget and a seed: what comes out, on both splits.

The test split is read here and nowhere else, once, when all selection is over.
"""

import contextlib
import itertools
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import evo_ensyth
from evo_ensyth import objectives
from evo_ensyth.engine import Ensembles
from evo_ensyth.engine.kernels.compiler import kept_on_disk
from evo_ensyth.engine.kernels.counting import count_errors
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective, judge
from evo_ensyth.results.comparison import Versus, beside_rivals
from evo_ensyth.results.run import BOUND_SIDES, MARKS, Entry, Milestone, Run, Selection
from evo_ensyth.results.statistics import lowest
from evo_ensyth.search import selectors
from evo_ensyth.search.archive import hypervolume, non_dominated
from evo_ensyth.search.budget import Budget, SearchOver
from evo_ensyth.search.constraints import violated
from evo_ensyth.search.evaluator import Evaluator
from evo_ensyth.search.exact.proof import PROVABLE, Proof, limits_of, prove_some
from evo_ensyth.search.problem import Problem

# What proving small sizes may cost: subsets to settle for each ensemble that was judged, and a share of the time where
# the search had a time limit.
PROVEN_PER_EVALUATION = 8
PROVEN_TIME = 0.1
LIBRARIES = ("numpy", "numba", "pymoo", "moocore", "scipy", "deap", "cma")


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
    if criterion is not None and not problem.asks_for_error:
        raise InputError(f"criterion '{criterion.name}' takes the place of the objective 'error'; ask for that, too.")
    searched: dict[str, Evaluator] = {}
    interrupted = False
    for name, chosen_selector in chosen_selectors.items():
        leading = objectives.find(selectors.guide_of(chosen_selector), problem.pool.members)
        led = problem.guided_by(criterion if criterion and name == selector else leading)
        led.reference  # noqa: B018 - worked out now, so that it costs no selector its time
        evaluator = Evaluator(
            led,
            Budget(budget, seconds),
            on_milestone=partial(observe, name),
            on_message=partial(tell, name),
            scratch=scratch,
        )
        attach(evaluator)
        _search(evaluator, chosen_selector, seed)
        interrupted |= evaluator.budget.stopped
        if len(evaluator.archive):
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
    interrupted |= searched[main].budget.stopped
    return _judged(problem, main, chosen_selectors, searched, budget, seconds, seed, source or {}, interrupted, proof)


def _search(evaluator: Evaluator, selector: selectors.Selector, seed: int) -> None:
    with contextlib.suppress(SearchOver):
        selector.select(evaluator, np.random.default_rng(seed))
    evaluator.budget.close()


def _nothing_within(problem: Problem, evaluator: Evaluator, nearest: np.ndarray) -> InputError:
    members = ", ".join(problem.pool.names[i] for i in np.flatnonzero(nearest))
    return InputError(
        f"none of the {evaluator.budget.n_evaluations:,} ensembles that were evaluated keeps all constraints; nearest "
        f"is {members}: {violated(problem.constraints, problem.on_search(nearest[None]))}."
    )


def _prove(problem: Problem, evaluator: Evaluator) -> Proof | None:
    """Prove what can be proven in little time, take in what turns up, and give the proof if there is one.

    There is none where compiled code cannot be kept: to compile the proof would take longer than the search. Nor where
    there are bounds: it would look among ensembles that break them. A front that was led by another criterion takes
    nothing in, and is proven only where it is as good.
    """
    if (
        {goal.counts for goal in problem.objectives} != PROVABLE
        or problem.constraints
        or not kept_on_disk(count_errors)
    ):
        return None
    budget = evaluator.budget
    errors = problem.on_search(evaluator.archive.subsets).errors
    limits = limits_of(evaluator.archive.subsets, errors, problem.search.n_samples)
    # Who has proven something himself has said how far he wants to go.
    most = 0 if evaluator.proven_sizes else PROVEN_PER_EVALUATION * budget.n_evaluations
    start = time.perf_counter()

    def go_on() -> bool:
        # By the clock only where the search went by it too: else the same seed must give the same front.
        in_time = budget.seconds is None or time.perf_counter() - start < PROVEN_TIME * budget.elapsed
        return in_time and not budget.stopped

    proof, better = prove_some(problem.search, limits, most, evaluator.proven_sizes, go_on=go_on)
    by_error = evaluator.guide.counts == "errors"
    if better and by_error:
        evaluator.record(0, np.stack(better))
    if proof:
        as_low = np.ones(len(limits), bool) if by_error else limits <= proof.limits
        evaluator.mark_proven([size for size in proof.certified if as_low[size]])
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
    subsets = np.concatenate([evaluator.archive.subsets for evaluator in searched.values()] + [plain])
    on_search, on_test = problem.on_search(subsets), problem.on_test(subsets)
    entries = iter(_entries(problem, on_search, on_test))
    selections = {}
    for name, evaluator in searched.items():
        own = tuple(itertools.islice(entries, len(evaluator.archive)))
        values = np.array([list(entry.search.values()) for entry in own])
        selections[name] = Selection(
            selector=name,
            settings=_settings(chosen_selectors[name]),
            evaluations=evaluator.budget.n_evaluations,
            seconds=evaluator.budget.elapsed,
            hypervolume=hypervolume(non_dominated(evaluator.archive.subsets, values)[1], problem.reference),
            entries=own,
            history=tuple(evaluator.archive.history),
            certified_sizes=tuple(evaluator.proven_sizes),
            criterion=evaluator.guide.name,
        )
    front = replace(on_search, subsets=searched[main].archive.subsets)
    front_on_test = replace(on_test, subsets=front.subsets) if on_test else None
    found = _with_versus(selections.pop(main), beside_rivals(front, front_on_test, problem.pool.parent))
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
            side: {bound.measure.name: bound.limit for bound in problem.constraints if bound.side == side}
            for side in BOUND_SIDES
        },
        parent_costs=problem.pool.parent.costs if problem.pool.parent else {},
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
