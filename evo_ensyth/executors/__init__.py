"""Dividing work among processes and machines: an executor has ``submit(function, *args)``, which gives a future.

Executors of `concurrent.futures`, of MPI or of a batch system will do, and a Dask client likewise. `connected` starts
processes on this machine with Dask, or connects to a scheduler of Dask. Work is cut into tasks by measured time, and
its result depends neither on the executor nor on the number of workers.

>>> from concurrent.futures import ThreadPoolExecutor
>>> import evo_ensyth as ee
>>> exact = ee.selectors.load("exact", {"max_size": 3})
>>> with ThreadPoolExecutor(2) as executor:
...     run = ee.search("predictions.npz", selector=exact, executor=executor)
>>> list(run.front.proven_sizes)
[1, 2, 3]
"""

from collections.abc import Callable
from typing import Any, Protocol

from evo_ensyth.executors.cluster import Cluster, connected

__all__ = ["Cluster", "Executor", "Future", "connected"]


class Future(Protocol):
    """The result of a task, once it is there."""

    def done(self) -> bool:
        """Whether there is a result or an error."""

    def result(self) -> Any:
        """Return the result, or raise the error of the task."""

    def cancel(self) -> Any:
        """Do not begin the task, if it has not begun."""


class Executor(Protocol):
    """Runs functions elsewhere: functions of modules, with arguments that can be pickled."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Future:
        """Begin a task."""
