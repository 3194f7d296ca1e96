"""The same search on other random splits: how much of what was found depends on the split."""

import hashlib
import pickle
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from evo_ensyth.errors import InputError, InputWarning, dask_extra
from evo_ensyth.executors import Executor
from evo_ensyth.executors.tasks import Division, WorkerKilled, sent_once
from evo_ensyth.pool.resplit import resplit
from evo_ensyth.results.run import Run
from evo_ensyth.selection.interruption import Interrupted, Interruption, heeded
from evo_ensyth.selection.problem import Problem

Search = Callable[..., Run]


def repeated(problem: Problem, splits: int, search: Search, again: Search, executor: Executor | None = None) -> Run:
    """Search one split, then others by the next split seeds; the run's ``source`` says what was recommended on each.

    Parameters
    ----------
    problem : Problem
        On a pool that was split at random, if there is more than one split.
    splits : int
        At least 1.
    search, again : function of Problem to Run
        The search that is returned, and that of the other splits; they take ``on_progress`` and so on as `run` does.
    executor : Executor, optional
        Who searches the other splits.

    Returns
    -------
    Run
        Interrupted where a signal ended one of the searches; those that were done are listed.

    Raises
    ------
    InputError
        The number of splits is below 1, or the pool was not split at random.
    """
    if splits < 1:
        raise InputError(f"splits is {splits}; it must be 1 or more.")
    if splits == 1:
        return search(problem)
    first = problem.pool.source.get("split_seed", 0)
    seeds = range(first + 1, first + splits)
    _on_split(problem, seeds[0])  # refuse what cannot be split before a search that may take long
    found = search(problem)
    told, by = [_told(found)], found.interrupted_by
    if by is None:
        others, by = _here(problem, seeds, again) if executor is None else _elsewhere(problem, seeds, again, executor)
        told += others
    interrupted = by is not None
    return replace(found, source={**found.source, "splits": told}, interrupted=interrupted, interrupted_by=by)


def _here(problem: Problem, seeds: Iterable[int], again: Search) -> tuple[list[dict[str, Any]], str | None]:
    """Search one split after another; return what to tell of each, and the signal that ended it, if any."""
    told: list[dict[str, Any]] = []
    with heeded(Interruption()) as interruption:
        for seed in seeds:
            try:
                run = again(_on_split(problem, seed))
            except Interrupted as error:  # before it had found anything
                return told, signal.Signals(error.number).name
            if run.interrupted or interruption.number is not None:
                return told, run.interrupted_by or interruption.by
            told.append(_told(run))
    return told, None


def _elsewhere(
    problem: Problem, seeds: Iterable[int], again: Search, executor: Executor
) -> tuple[list[dict[str, Any]], str | None]:
    """Let an executor search all splits; see `_here`."""
    with dask_extra():
        import cloudpickle
    alone = partial(again, on_progress=None, scratch=None, executor=None)  # these stay here
    sent = cloudpickle.dumps((problem, alone))  # objectives and readers of scores may be functions within functions
    once = sent_once(executor, sent, hashlib.sha256(sent).hexdigest())
    seeds = list(seeds)
    division = Division(executor, _searched, seeds, len(seeds), given=(once,))
    found: dict[int, Any] = {}
    with heeded(Interruption()) as interruption:
        while outcomes := division.outcomes(lambda: interruption.number is None):
            found.update((outcome.item, outcome.result) for outcome in outcomes)
    killed = [seed for seed in found if isinstance(found[seed], WorkerKilled)]
    for seed in killed:
        warnings.warn(
            f"every worker that searched split {seed} was killed; it is left out.", InputWarning, stacklevel=4
        )
    return [found[seed] for seed in sorted(found) if seed not in killed], interruption.by


def _searched(seeds: Iterable[int], sent: bytes) -> Iterator[dict[str, Any]]:
    problem, again = pickle.loads(sent)  # noqa: S301 - from the process that asks for the work
    for seed in seeds:
        yield _told(again(_on_split(problem, seed)))


def _on_split(problem: Problem, seed: int) -> Problem:
    return replace(problem, pool=resplit(problem.pool, seed))


def _told(run: Run) -> dict[str, Any]:
    best = run.recommended
    return {
        "split_seed": run.source["split_seed"],
        "members": list(best.members),
        "search_error": best.error("search"),
        "test_error": best.error("test"),
    }
