"""Executors that do everything in this process, in an order of their own; and workers of Dask that start quickly."""

import multiprocessing
import random
import time
from contextlib import contextmanager

from evo_ensyth.executors import connected


class Shuffled:
    """Tasks end in a random order, some long after those that were begun later."""

    def __init__(self, seed=0, n_workers=3, clock=None):
        self.n_workers, self.clock = n_workers, clock
        self.rng = random.Random(seed)
        self.open = []
        self.seconds = []  # of each task

    def submit(self, function, *args):
        future = Later(self, function, args)
        self.open.append(future)
        return future

    def end_one(self):
        future = self.open.pop(self.rng.randrange(min(len(self.open), self.n_workers)))
        start = self.clock and self.clock.now
        try:
            future.value = future.function(*future.args)
        except Exception as error:
            future.error = error
        if self.clock:
            self.seconds.append(self.clock.now - start)
        future.ended = True


class Later:
    def __init__(self, executor, function, args):
        self.executor, self.function, self.args = executor, function, args
        self.ended, self.value, self.error = False, None, None

    def done(self):
        if not self.ended and self in self.executor.open:
            self.executor.end_one()
        return self.ended

    def result(self):
        if self.error:
            raise self.error
        return self.value

    def cancel(self):
        if self in self.executor.open:
            self.executor.open.remove(self)


class Clock:
    """A clock that stands still unless somebody works or waits."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def finished(proof, keep_going=lambda: True):
    """What a proof finds from here to its end, its state then, and the errors that are left to beat."""
    found = []
    while proof.next_pass is not None:
        for better in proof.rounds(keep_going):
            found += [(best.errors, best.subset.tolist()) for best in better]
    return found, proof.state(), proof.limits.tolist()


@contextmanager
def forked_workers(n_workers, preloaded):
    """Workers that are forked from a process which has imported modules: imports take most of the time of a worker."""
    import dask
    import distributed

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        distributed.utils.get_mp_context()  # sets what is imported, but only once
        multiprocessing.set_forkserver_preload(preloaded)
        with connected(f"local:{n_workers}") as cluster:
            yield cluster


def with_workers(cluster, n):
    """Wait until there are n workers, and no others.

    Not by `wait_for_workers` of Dask: it fetches the list of workers past the messages that change it, and the next
    message about a worker that has gone ends what listens to them.
    """
    cluster.client.cluster.scale(n)
    cluster._n_processes = n
    deadline = time.monotonic() + 60
    while cluster.n_workers != n:
        assert time.monotonic() < deadline, f"{cluster.n_workers} workers, not {n}"
        time.sleep(0.05)
    return cluster


@contextmanager
def quick_to_blame(cluster):
    """Blame all that lies with a worker as soon as it is killed."""
    scheduler = cluster.client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    yield
    scheduler.allowed_failures = before
