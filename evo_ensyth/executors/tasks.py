"""Work that is cut into tasks by measured time, and done by an executor.

The first task of each worker ends after a second, and the others are cut so that each takes some seconds: thousands of
times what it takes to send it. A task that takes much longer than it should gives back the rest.

Dask begins a task anew if its worker is killed, and blames all that lay with the worker once that has happened a few
times. Items of a blamed task are tried alone, one by one, so only what kills its worker alone is given up.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass
from typing import Any

from evo_ensyth.errors import UnfinishedError
from evo_ensyth.executors import Executor, Future
from evo_ensyth.executors.versions import checked, versions

# Seconds that a task should take: few at the beginning, after a change and at the end, then more and more, so that a
# change wastes little. After so many times as many it gives back the rest.
LEAST_SECONDS, MOST_SECONDS, GROWTH = 1.0, 10.0, 1.5
TOO_LONG = 4
MOST_ITEMS = 1_000
TASKS_PER_WORKER = 2  # one is done and one waits, so that no worker waits for this process
SECONDS_BETWEEN_LOOKS = 0.02


class WorkerKilled(Exception):  # noqa: N818 - an outcome: what became of a task
    """Every worker that did a task was killed."""


@dataclass(frozen=True)
class Outcome:
    """What became of an item.

    Attributes
    ----------
    index : int
        Of the item.
    item : object
    result : object
        What the work yielded, or a `WorkerKilled`.
    """

    index: int
    item: Any
    result: Any


class Division:
    """Items that an executor works off in tasks of consecutive ones.

    Parameters
    ----------
    executor : Executor
    work : function of (items, *given) to iterator
        A function of a module, which yields one result for each item, in order.
    items : iterable
    total : float
        Of the weights of all items.
    weigh : function of an item to float, optional
        What it takes, compared with others; by default all take the same.
    given : tuple
        The same for all tasks, until it is `changed`.
    """

    def __init__(
        self,
        executor: Executor,
        work: Callable[..., Iterator[Any]],
        items: Iterable[Any],
        total: float,
        weigh: Callable[[Any], float] = lambda item: 1.0,
        given: tuple[Any, ...] = (),
    ) -> None:
        self._executor, self._work, self._given = executor, work, given
        self._weigh, self._left = weigh, total
        self._fresh = enumerate(items)
        self._items: dict[int, Any] = {}  # those that have been cut, and may be needed again
        self._again: list[int] = []  # given back, in order
        self._blamed: list[int] = []
        self._pending: dict[Future, list[int]] = {}
        self._alone: Future | None = None
        self._pace: float | None = None  # seconds for each unit of weight
        self._seconds = LEAST_SECONDS

    def outcomes(self, keep_going: Callable[[], bool] = lambda: True) -> list[Outcome]:
        """Wait for outcomes; there are none at the end, and once ``keep_going`` returns False."""
        try:
            while True:
                if going := keep_going():
                    self._fill()
                if not self._pending:
                    return []
                found = [one for task in list(self._pending) if task.done() for one in self._outcomes(task)]
                if found:
                    return found
                if not going:
                    self.stop()
                    return []
                time.sleep(SECONDS_BETWEEN_LOOKS)
        except BaseException:
            self.stop()
            raise

    def changed(self, first: int, given: tuple[Any, ...]) -> None:
        """Do all items from ``first`` on with other arguments, also those whose outcome is known."""
        self.stop()
        self._given = given
        self._seconds = LEAST_SECONDS
        self._again = [index for index in self._items if index >= first]
        self._again.sort()
        self._blamed.clear()

    def forget(self, index: int) -> None:
        """Note that an item and those before it will not be done again."""
        for settled in [other for other in self._items if other <= index]:
            del self._items[settled]

    def stop(self) -> None:
        """Give up the tasks that are under way."""
        for task, indices in self._pending.items():
            task.cancel()
            self._again += indices
        self._pending.clear()
        self._again.sort()

    def _fill(self) -> None:
        """Begin as many tasks as are needed to keep all workers busy; blamed items alone."""
        if self._blamed:
            if not self._pending:
                self._alone = self._begin([self._blamed.pop(0)])
            return
        if self._alone in self._pending:
            return
        n_workers = number_of_workers(self._executor)
        most = n_workers if self._pace is None else TASKS_PER_WORKER * n_workers
        while len(self._pending) < most and (indices := self._cut(n_workers)):
            self._begin(indices)

    def _cut(self, n_workers: int) -> list[int]:
        """The next consecutive items that should take some seconds together."""
        most = self._left / (TASKS_PER_WORKER * n_workers)
        if self._pace is not None:
            most = min(max(most * self._pace, LEAST_SECONDS), self._seconds) / self._pace
        indices: list[int] = []
        weight = 0.0
        while len(indices) < MOST_ITEMS and weight < most:
            if self._again:
                if indices and self._again[0] != indices[-1] + 1:
                    break
                index = self._again.pop(0)
            else:
                index, item = next(self._fresh, (-1, None))
                if index < 0:
                    break
                self._items[index] = item
                if indices and index != indices[-1] + 1:
                    self._again.append(index)
                    break
            indices.append(index)
            weight += self._weigh(self._items[index])
        return indices

    def _begin(self, indices: list[int]) -> Future:
        seconds = LEAST_SECONDS if self._pace is None else TOO_LONG * self._seconds
        # Pickled here, as an executor that looks into what it sends takes longer for that than for all the rest.
        items = pickle.dumps([self._items[index] for index in indices])
        task = begin(self._executor, some_results, self._work, items, seconds, *self._given)
        self._pending[task] = indices
        return task

    def _outcomes(self, task: Future) -> list[Outcome]:
        """What became of the items of a task that has ended."""
        indices = self._pending.pop(task)
        try:
            found, seconds = result_of(task)
            results = pickle.loads(found)  # noqa: S301 - from our own worker
        except WorkerKilled as killed:
            if task is self._alone:
                return [Outcome(indices[0], self._items[indices[0]], killed)]
            self._blamed += indices
            return []
        done = indices[: len(results)]
        self._again = sorted(self._again + indices[len(results) :])
        weight = sum(self._weigh(self._items[index]) for index in done)
        self._left -= weight
        self._seconds = min(GROWTH * self._seconds, MOST_SECONDS)
        self._pace = max(seconds, 1e-9) / weight
        return [Outcome(index, self._items[index], result) for index, result in zip(done, results, strict=True)]


def begin(executor: Executor, work: Callable[..., Any], *args: Any) -> Future:
    """Let an executor call a function of a module, on a worker with the versions of this process."""
    return executor.submit(checked, versions(), work, *args)


def result_of(task: Future) -> Any:
    """Return the result of a task that has ended.

    Raises
    ------
    WorkerKilled
        So were its workers.
    UnfinishedError
        The executor has ended.
    """
    try:
        return task.result()
    except (BrokenExecutor, CancelledError) as error:
        raise UnfinishedError(f"the executor has ended ({error}); what was finished is kept.") from error
    except Exception as error:
        if _killed(error):
            raise WorkerKilled from error
        raise


def some_results(work: Callable[..., Iterator[Any]], items: bytes, seconds: float, *given: Any) -> tuple[bytes, float]:
    """Results of the first items, as many as the time is enough for, one at least; and the seconds that they took.

    Items and results are pickled lists.
    """
    start = time.perf_counter()
    results = []
    for result in work(pickle.loads(items), *given):  # noqa: S301 - from the process that asks for the work
        results.append(result)
        if time.perf_counter() - start > seconds:
            break
    seconds = time.perf_counter() - start
    return pickle.dumps(results), seconds


def sent_once(executor: Executor, value: Any, key: str) -> Any:
    """Return what stands for a value among the arguments of tasks: a cluster keeps it, others get it with each task."""
    keep: Callable[[Any, str], Any] | None = getattr(executor, "keep", None)
    return value if keep is None else keep(value, key)


def number_of_workers(executor: Executor) -> int:
    """Number of workers of an executor, or of processors here if it does not say."""
    for name in ("n_workers", "_max_workers", "num_workers"):  # ours; concurrent.futures; mpi4py
        n_workers = getattr(executor, name, None)
        if isinstance(n_workers, int):
            return max(1, n_workers)
    return os.cpu_count() or 1


def _killed(error: Exception) -> bool:
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(error, distributed.KilledWorker)
