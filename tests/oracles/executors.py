"""Executors that do everything in this process, in an order of their own."""

import random


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


def finished(proof):
    """What a proof finds from here to its end, its state then, and the errors that are left to beat."""
    found = []
    while proof.next_pass is not None:
        for better in proof.rounds():
            found += [(best.errors, best.subset.tolist()) for best in better]
    return found, proof.state(), proof.limits.tolist()
