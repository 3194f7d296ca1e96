"""Run a selector on a problem with a budget and a seed, and what belongs to it: baselines, proof, estimate."""

import platform
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

import evo_ensyth
from evo_ensyth.engine.kernels.compiler import kept_on_disk
from evo_ensyth.engine.kernels.counting import count_errors
from evo_ensyth.errors import InputError
from evo_ensyth.executors import Executor
from evo_ensyth.plugins import unknown
from evo_ensyth.results.estimate import Estimate
from evo_ensyth.results.front import Milestone
from evo_ensyth.results.run import CONSTRAINT_SIDES, Run
from evo_ensyth.selection import selectors
from evo_ensyth.selection.budget import LEAST_PATIENCE, PATIENCE, Budget, SearchOver
from evo_ensyth.selection.constraints import violated
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.exact.proof import PROVABLE, Proof, limits_of, prove_some
from evo_ensyth.selection.fronts import judged_fronts, members_of_front
from evo_ensyth.selection.interruption import Interrupted, Interruption, heeded
from evo_ensyth.selection.large_pools import lay_out, needs_of
from evo_ensyth.selection.metrics import judged_by_metrics
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import FOLDS, RULES, nested_estimate, recommend
from evo_ensyth.selection.scratch import Scratch
from evo_ensyth.selection.selectors import Selector

# Most that proving small sizes may cost: subsets to settle per evaluated ensemble and, if the search had a time limit,
# a share of its time.
PROVEN_PER_EVALUATION = 8
PROVEN_TIME = 0.1
LIBRARIES = ("numpy", "numba", "pymoo", "moocore", "scipy", "deap", "cma")


@dataclass(frozen=True)
class Progress:
    """How far a search is.

    Attributes
    ----------
    selector : str
        Name of the running selector.
    n_evaluations : int
        Number of ensembles that it has evaluated.
    budget : int, optional
        Number of ensembles that it may evaluate.
    seconds : float
    hypervolume : float
        Hypervolume of its front so far.
    message : str
        Latest progress message of a long-running selector.
    seconds_left : float, optional
        Seconds until its budget or its time ends it, at the pace so far.
    note : str
        What a large pool takes, told once before it is laid out.
    """

    selector: str
    n_evaluations: int
    budget: int | None
    seconds: float
    hypervolume: float
    message: str = ""
    seconds_left: float | None = None
    note: str = ""


def run(
    problem: Problem,
    selector: str | Selector = "nsga2",
    *,
    baselines: Sequence[str | Selector] = (),
    budget: int | None = None,
    seconds: float | None = None,
    patience: float | None = PATIENCE,
    seed: int = 1,
    recommend_by: str = "size_rule",
    n_folds: int = FOLDS,
    on_progress: Callable[[Progress], object] | None = None,
    scratch: Path | Scratch | None = None,
    executor: Executor | None = None,
    command: str = "Python",
) -> Run:
    """Search a problem with one selector, and with others for comparison.

    Parameters
    ----------
    problem : Problem
    selector : str or Selector
    baselines : sequence of str or Selector
        Selectors to compare with. They run first, so that an interrupted search has something to compare with.
    budget : int, optional
        Number of ensembles that each selector may evaluate.
    seconds : float, optional
        Time limit for each selector, without the time that compiling kernels takes.
    patience : float, optional
        End a selector that has a budget or a time limit after this share of it without a gain; see `Budget`. None or 0
        to use all of it.
    seed : int
        The same seed gives the same front.
    recommend_by : str
        ``size_rule`` or ``lowest_error``; see `recommend`.
    n_folds : int
        Folds of the nested estimate of the recommended ensemble's error; 0 for no estimate.
    on_progress : function of Progress, optional
    scratch : Path or Scratch, optional
        Folder where a long-running selector may store what it needs to resume after an interruption. What it does not
        need any more is removed at the end; in a `Scratch`, when its ``clear`` is called.
    executor : Executor, optional
        Who does work that can be divided: the proof of ``exact``. The result is the same.
    command : str
        What asked for the search.

    Raises
    ------
    InputError
        Unknown selector or setting, a budget, time or patience out of range, an objective that fails, or constraints
        that no evaluated ensemble keeps.
    Interrupted
        A signal ended the search before there was anything to keep.
    """
    begun = datetime.now(UTC)
    if budget is not None and budget < 1:
        raise InputError(f"the budget is {budget}; it takes at least 1 evaluation.")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InputError(f"the time limit is {seconds:g} seconds; it must be above 0.")
    if patience is not None and not 0 <= patience <= 1:
        raise InputError(f"the patience is {patience:g}; it is a share of the budget or the time, from 0 to 1.")
    if seed < 0:
        raise InputError(f"the seed is {seed}; it must be 0 or more.")
    if recommend_by not in RULES:
        raise unknown("rule", recommend_by, RULES)
    if n_folds < 0 or n_folds == 1:
        raise InputError(f"n_folds is {n_folds}; it must be 2 or more, or 0 for no estimate.")
    main, in_order = _named(selector, baselines)
    kept = Scratch(scratch) if isinstance(scratch, Path) else scratch
    searched: dict[str, Evaluator] = {}
    with heeded(Interruption()) as interruption:
        _prepare(problem, n_folds, partial(Progress, main, 0, budget, 0.0, 0.0), on_progress)
        problem.reference  # noqa: B018 - computed here, so that it does not count towards a selector's time
        for name, chosen in in_order.items():
            limits = Budget(
                budget,
                seconds,
                patience=patience,
                least_patience=LEAST_PATIENCE * len(problem.pool),
                interruption=interruption,
            )
            evaluator = _evaluator(problem, name, limits, on_progress, kept, executor)
            _search(evaluator, chosen, seed)
            interrupted = limits.stopped
            if len(evaluator.archive):
                searched[name] = evaluator
            elif evaluator.nearest is not None and name == main and not interrupted:
                raise _none_allowed(problem, evaluator, evaluator.nearest)
            if interrupted:
                break
        if not searched:
            raise Interrupted(interruption.number or signal.SIGINT)  # before there is anything to report
        # If stopped while a baseline ran, report the last baseline with a front.
        shown = main if main in searched else next(reversed(searched))
        subsets = searched[shown].archive.subsets
        index = recommend(problem, subsets, recommend_by)
        proof, estimate = None, None
        if not interrupted:
            proof = _prove(problem, searched[shown])
            if n_folds:
                estimate = _estimate(problem, recommend_by, subsets[index], n_folds, searched[shown])
        fronts, single_best, whole_pool = judged_fronts(problem, shown, in_order, searched)
        metrics = judged_by_metrics(problem, subsets[index])
        front_members = members_of_front(problem, subsets, index)
    if kept is not None and kept is not scratch:
        kept.clear()
    front = fronts.pop(shown)
    return Run(
        problem=problem.name,
        seed=seed,
        budget=budget,
        seconds_limit=seconds,
        objectives=tuple(objective.name for objective in problem.objectives),
        units=tuple(objective.unit for objective in problem.objectives),
        reference_point=tuple(problem.reference.tolist()),
        n_members=len(problem.pool),
        n_search=problem.search.n_samples,
        n_test=problem.test.n_samples if problem.test else None,
        front=front,
        baselines=tuple(fronts.values()),
        recommended_index=index,
        recommend_by=recommend_by,
        estimate=estimate,
        metrics=metrics,
        front_members=front_members,
        vote=problem.fitted_vote.in_words,
        single_best=single_best,
        whole_pool=whole_pool,
        fingerprints={split: votes.fingerprint for split, votes in problem.pool.splits.items()},
        source=problem.pool.source,
        classes=problem.pool.classes,
        interrupted=interruption.number is not None,
        interrupted_by=interruption.by,
        patience=patience,
        time=f"{begun:%Y-%m-%dT%H:%M:%SZ}",
        command=command,
        versions=_versions(),
        lowest_errors=tuple(proof.lowest_errors()[1:].tolist()) if proof else None,
        constraints={
            side: {one.measure.name: one.limit for one in problem.constraints if one.side == side}
            for side in CONSTRAINT_SIDES
        },
        parent_costs=problem.pool.parent.costs if problem.pool.parent else {},
    )


def _prepare(
    problem: Problem,
    n_folds: int,
    not_begun: Callable[..., Progress],
    on_progress: Callable[[Progress], object] | None,
) -> None:
    """Say what a large pool takes, and lay out its votes."""
    needs = needs_of(problem, n_folds)
    if needs is not None and on_progress is not None:
        on_progress(not_begun(note=str(needs)))
        lay_out(problem, lambda message: on_progress(not_begun(message=message)))


def _named(selector: str | Selector, baselines: Sequence[str | Selector]) -> tuple[str, dict[str, Selector]]:
    """Name of the main selector, and all selectors by name: the baselines in the given order, then the main one.

    Raises
    ------
    InputError
        Two selectors with the same name but different settings, whose fronts could not be told apart.
    """
    if isinstance(baselines, str):
        baselines = (baselines,)
    main, main_selector = selectors.named(selector)
    found: dict[str, Selector] = {}
    for name, chosen in [*map(selectors.named, baselines), (main, main_selector)]:
        if found.setdefault(name, chosen) != chosen:
            raise InputError(f"selector '{name}' is given with two different settings; compare them in two runs.")
    found[main] = found.pop(main)
    return main, found


def _evaluator(
    problem: Problem,
    name: str,
    budget: Budget,
    on_progress: Callable[[Progress], object] | None,
    scratch: Scratch | None,
    executor: Executor | None,
) -> Evaluator:
    """Create an evaluator that reports its progress."""
    if on_progress is None:
        return Evaluator(problem, budget, scratch=scratch, executor=executor)
    last_message = ""

    def report(volume: float) -> None:
        spent = budget.n_evaluations, budget.limit, budget.elapsed
        on_progress(Progress(name, *spent, volume, last_message, budget.seconds_left))

    def on_message(message: str) -> None:
        nonlocal last_message
        last_message = message
        report(evaluator.archive.hypervolume)

    def on_milestone(milestone: Milestone) -> None:
        report(milestone.hypervolume)

    evaluator = Evaluator(
        problem, budget, on_milestone=on_milestone, on_message=on_message, scratch=scratch, executor=executor
    )
    return evaluator


def _search(evaluator: Evaluator, selector: Selector, seed: int) -> None:
    over = False
    try:
        selector.select(evaluator, np.random.default_rng(seed))
    except SearchOver:
        over = True
    evaluator.budget.close(over=over)


def _none_allowed(problem: Problem, evaluator: Evaluator, nearest: np.ndarray) -> InputError:
    members = ", ".join(problem.pool.names[i] for i in np.flatnonzero(nearest))
    return InputError(
        f"none of the {evaluator.budget.n_evaluations:,} evaluated ensembles keeps all constraints; the nearest "
        f"is {members}: {violated(problem.constraints, problem.on_search(nearest[None]))}."
    )


def _estimate(problem: Problem, rule: str, subset: np.ndarray, n_folds: int, evaluator: Evaluator) -> Estimate | None:
    """Estimate the error of what is recommended on unseen samples, and report the progress of that."""

    def on_fold(done: int, total: int) -> None:
        evaluator.report_progress(f"estimating the error on unseen samples: fold {done} of {total}")

    stopped = partial(getattr, evaluator.budget, "stopped")
    size = int(np.count_nonzero(subset))
    return nested_estimate(problem, rule, size, n_folds=n_folds, on_fold=on_fold, stopped=stopped)


def _prove(problem: Problem, evaluator: Evaluator) -> Proof | None:
    """Prove small sizes of a front of error and size, and return the proof, if any.

    Nothing is added to the front: better ensembles that the proof meets were not found by the selector. Returns None if
    compiled code cannot be cached, because compiling the proof would take longer than the search, and with constraints,
    because the proof would include ensembles that violate them.
    """
    if (
        {goal.counts for goal in problem.objectives} != PROVABLE
        or problem.constraints
        or evaluator.planes is None
        or not kept_on_disk(count_errors)
    ):
        return None
    evaluator.report_progress("proving small sizes")
    budget = evaluator.budget
    errors = problem.on_search(evaluator.archive.subsets).errors
    limits = limits_of(evaluator.archive.subsets, errors, problem.search.n_samples)
    # A selector that proves sizes itself sets its own limit.
    most = 0 if evaluator.proven_sizes else PROVEN_PER_EVALUATION * budget.n_evaluations
    start = time.perf_counter()

    def keep_going() -> bool:
        # Use the clock only if the search had a time limit: otherwise the same seed must give the same front.
        in_time = budget.seconds is None or time.perf_counter() - start < PROVEN_TIME * budget.elapsed
        return in_time and not budget.stopped

    proof = prove_some(problem.search, limits, most, evaluator.proven_sizes, keep_going=keep_going)
    if proof:
        as_low = limits <= proof.limits
        evaluator.mark_proven([size for size in proof.proven if as_low[size]])
    return proof


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {"evo_ensyth": evo_ensyth.__version__, "python": platform.python_version(), **versions}
