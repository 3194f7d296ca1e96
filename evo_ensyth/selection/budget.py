"""How long a search may run: evaluations, seconds, and a stop from outside."""

import time


class SearchOver(Exception):  # noqa: N818 - not an error
    """The budget is spent, the time is up, or the search was stopped. Selectors do not catch it."""


class Budget:
    """Counts evaluations and seconds. The clock starts when the object is created.

    Parameters
    ----------
    limit : int, optional
        Number of ensembles that may be evaluated.
    seconds : float, optional
        Time that the search may take.

    Attributes
    ----------
    n_evaluations : int
        Number of ensembles evaluated so far.
    stopped : bool
        Whether `stop` was called.
    """

    def __init__(self, limit: int | None = None, seconds: float | None = None) -> None:
        self.limit = limit
        self.seconds = seconds
        self.n_evaluations = 0
        self.stopped = False
        self._start = time.perf_counter()
        self._end: float | None = None

    @property
    def limited(self) -> bool:
        """Whether evaluations or time are limited. Otherwise a selector stops by its own rule."""
        return self.limit is not None or self.seconds is not None

    @property
    def remaining(self) -> float:
        """Evaluations that remain; infinity without a limit."""
        return float("inf") if self.limit is None else self.limit - self.n_evaluations

    @property
    def elapsed(self) -> float:
        """Seconds from the creation of the budget until now, or until `close`."""
        return (self._end or time.perf_counter()) - self._start

    @property
    def done(self) -> bool:
        """Whether the search must end."""
        # One batch is evaluated however short the time, so that there is always a result.
        out_of_time = self.seconds is not None and self.n_evaluations > 0 and self.elapsed >= self.seconds
        return self.stopped or self.remaining <= 0 or out_of_time

    def raise_if_done(self) -> None:
        """Raise `SearchOver` if the search must end."""
        if self.done:
            raise SearchOver

    def spend(self, n: int) -> None:
        """Count n evaluations before they are made.

        Raises
        ------
        SearchOver
            The search must end, or fewer than n evaluations remain; none is counted then.
        """
        self.raise_if_done()
        if n > self.remaining:
            raise SearchOver
        self.n_evaluations += n

    def stop(self) -> None:
        """End the search at its next step and keep its front."""
        self.stopped = True

    def close(self) -> None:
        """Stop the clock."""
        self._end = time.perf_counter()
