"""The recommended ensemble by a metric other than its error, with intervals from resampling."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.results.comparison import BASELINES

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """A metric of an ensemble minus that of a baseline. Below 0, the ensemble is better.

    Attributes
    ----------
    search, test : float
        On each split; ``test`` is None without a test split.
    interval : (float, float), optional
        95 % percentile interval on the test split, of resamples that both see.
    """

    search: float
    test: float | None = None
    interval: Interval | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``open``, or ``unknown`` without an interval."""
        if self.interval is None:
            return "unknown"
        return "better" if self.interval[1] < 0 else "worse" if self.interval[0] > 0 else "open"


@dataclass(frozen=True)
class Metric:
    """Values of one objective that is neither the error nor a cost. Checks itself when built.

    Attributes
    ----------
    name : str
        Of the objective.
    search, test : float
        Of the recommended ensemble on each split; ``test`` is None without a test split.
    search_interval, test_interval : (float, float), optional
        95 % percentile intervals. That of the search split is too optimistic: the ensemble was chosen there.
    differences : mapping of baseline to Difference
        ``best_k``, ``single_best`` and ``whole_pool``, without the one that the ensemble itself is.
    """

    name: str
    search: float
    test: float | None = None
    search_interval: Interval | None = None
    test_interval: Interval | None = None
    differences: Mapping[str, Difference] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = [self.search, self.test, *(self.search_interval or ()), *(self.test_interval or ())]
        for difference in self.differences.values():
            values += [difference.search, difference.test, *(difference.interval or ())]
        if not np.isfinite([value for value in values if value is not None]).all():
            raise InputError(f"the metric '{self.name}' has a value that is not finite.")
        if not set(self.differences) <= set(BASELINES):
            raise InputError(f"the metric '{self.name}' is compared with {', '.join(self.differences)}.")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)
