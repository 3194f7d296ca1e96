"""How long calls take, measured in turns, with intervals."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

ROUNDS = 51
# A measurement calls often enough to take this long, in seconds.
LEAST = 0.001


@dataclass(frozen=True)
class Timing:
    """Milliseconds that a call takes.

    Attributes
    ----------
    median, low, high : float
        ``low`` and ``high`` bound a 95 % interval for the median, by order statistics.
    """

    median: float
    low: float
    high: float


def timings(
    calls: Mapping[str, Callable[[], object]],
    *,
    rounds: int | None = None,
    clock: Callable[[], float] = time.thread_time,
) -> dict[str, Timing]:
    """Time calls in turns, so that what else the machine does meets all of them alike.

    Parameters
    ----------
    calls : mapping of name to function
    rounds : int, optional
        Measurements of each; by default `ROUNDS`.
    clock : function
        By default the processor time of this thread, to which other programs add nothing.
    """
    repeats = {name: _repeats(call, clock) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds or ROUNDS):
        for name, call in calls.items():
            found[name].append(_seconds(call, repeats[name], clock))
    return {name: _timing(np.array(seconds) * 1000) for name, seconds in found.items()}


def _repeats(call: Callable[[], object], clock: Callable[[], float]) -> int:
    _seconds(call, 1, clock)
    return max(1, math.ceil(LEAST / max(_seconds(call, 3, clock), 1e-7)))


def _seconds(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(repeats):
        call()
    return (clock() - begin) / repeats


def _timing(times: np.ndarray) -> Timing:
    """The ranks around the median within which it lies with 95 %, as the number below it is binomial."""
    ordered, n = np.sort(times), len(times)
    away = 1.96 * math.sqrt(n) / 2
    low, high = max(0, math.floor((n - 1) / 2 - away)), min(n - 1, math.ceil((n - 1) / 2 + away))
    return Timing(float(np.median(ordered)), float(ordered[low]), float(ordered[high]))
