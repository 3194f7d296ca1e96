"""How long a search may run: evaluations, seconds, patience, and a stop from outside."""

import time

from evo_ensyth.engine.kernels.compiler import seconds_compiling
from evo_ensyth.selection.interruption import Interruption

# Patience lasts for at least so many evaluations per member of the pool: on pools of 36 and 200 members, nsga2 was seen
# to find better ensembles after 4,600 evaluations per member without any.
LEAST_PATIENCE = 10_000
PATIENCE = 0.5  # share of the budget, or of the time, by default


class SearchOver(Exception):  # noqa: N818 - not an error
    """The budget is spent, the time is up, or the search was stopped. Selectors do not catch it."""


class Budget:
    """Counts evaluations and seconds. The clock starts when the object is created.

    Parameters
    ----------
    limit : int, optional
        Number of ensembles that may be evaluated.
    seconds : float, optional
        Time that the search may take, without the time that compiling kernels takes.
    patience : float, optional
        Of a search that is limited: end it after this share of its budget without a gain, or of its time if only that
        is limited, and after at least ``least_patience`` evaluations.
    least_patience : int
    interruption : Interruption, optional
        Ends the search once a signal was received.

    Attributes
    ----------
    n_evaluations : int
        Number of ensembles evaluated so far.
    """

    def __init__(
        self,
        limit: int | None = None,
        seconds: float | None = None,
        *,
        patience: float | None = None,
        least_patience: int = 0,
        interruption: Interruption | None = None,
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self.patience = patience
        self.least_patience = least_patience
        self.n_evaluations = 0
        self._stopped = False
        self._interruption = interruption or Interruption()
        self._start = time.perf_counter()
        self._compiled_before = seconds_compiling()
        self._end: tuple[float, float] | None = None
        self._ended_by: str | None = None
        self._last_gain = (0, 0.0)  # evaluations, seconds

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
        """Seconds from the creation of the budget until now, or until `close`, without `compiling`."""
        end = self._end[0] if self._end else time.perf_counter()
        return end - self._start - self.compiling

    @property
    def compiling(self) -> float:
        """Seconds of it that were spent on compiling kernels, which a later search finds compiled."""
        end = self._end[1] if self._end else seconds_compiling()
        return end - self._compiled_before

    @property
    def seconds_left(self) -> float | None:
        """Seconds until a limit ends the search, at the pace so far; None where it is not known."""
        left = [] if self.seconds is None else [self.seconds - self.elapsed]
        if self.limit is not None and self.n_evaluations:
            left.append(self.elapsed * self.remaining / self.n_evaluations)
        return max(0.0, min(left)) if left else None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called or a signal received."""
        return self._stopped or self._interruption.number is not None

    @property
    def ended_by(self) -> str | None:
        """What ends the search, or None: ``budget``, ``seconds``, ``patience``, ``stop`` or the name of a signal.

        After `close` it stays the same, and is ``selector`` if the selector stopped by its own rule.
        """
        if self._ended_by is not None:
            return self._ended_by
        if self.stopped:
            return self._interruption.by or "stop"
        if self.remaining <= 0:
            return "budget"
        # One batch is evaluated however short the time, so that there is always a result.
        if self.seconds is not None and self.n_evaluations > 0 and self.elapsed >= self.seconds:
            return "seconds"
        return "patience" if self._out_of_patience else None

    @property
    def done(self) -> bool:
        """Whether the search must end."""
        return self.ended_by is not None

    @property
    def _out_of_patience(self) -> bool:
        if not self.patience or not self.limited:
            return False
        evaluations, seconds = self._last_gain
        since = self.n_evaluations - evaluations
        if not self.n_evaluations or since < self.least_patience:
            return False
        if self.limit is not None:  # the clock is not asked, so that the same seed gives the same front
            return since >= self.patience * self.limit
        assert self.seconds is not None
        return self.elapsed - seconds >= self.patience * self.seconds

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
        self.n_evaluations += int(
            n
        )  # a kernel that is not compiled counts in numbers of NumPy, which JSON does not know

    def gained(self) -> None:
        """Note that the search has got better just now; see ``patience``."""
        self._last_gain = self.n_evaluations, self.elapsed

    def stop(self) -> None:
        """End the search at its next step and keep its front."""
        self._stopped = True

    def close(self, *, over: bool = False) -> None:
        """Stop the clock.

        Parameters
        ----------
        over : bool
            Whether it was `SearchOver` that ended the search.
        """
        # Of n evaluations that were asked for, the last ones may not have fitted.
        self._ended_by = (self.ended_by or "budget") if over or self.stopped else "selector"
        self._end = time.perf_counter(), seconds_compiling()
