"""The error to expect on unseen samples, estimated without a test split."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.results.statistics import interval

# Folds are searched anew and share most of their samples, so errors vary more than those of one fixed ensemble: the
# interval is that of this share of the samples. Chosen on the pools for tuning; see docs/selection.md.
EFFECTIVE = 0.7


@dataclass(frozen=True)
class Estimate:
    """Errors in a nested cross-validation of search, recommendation and vote. Validated on construction.

    Attributes
    ----------
    n_errors, n_samples : int
        Errors on the held-out samples of all folds.
    n_folds : int
    grouped : bool
        Whether the samples of a group were kept in one fold.
    n_independent : float, optional
        How many independent samples tell as much, where samples come in groups.
    value : float, optional
        Mean over the held-out samples of the leading objective, where that is not about errors: that of each fold,
        weighted by its samples.

    Notes
    -----
    Each fold is held out once: the search, the recommendation and everything that the vote learns see the other folds
    only. What is estimated is the error of the whole procedure on samples of the same kind.

    References
    ----------
    Varma, Simon, "Bias in error estimation when using cross-validation for model selection", BMC Bioinformatics 7,
    2006.
    """

    n_errors: int
    n_samples: int
    n_folds: int
    grouped: bool = False
    n_independent: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.n_errors <= self.n_samples or self.n_samples < 1 or self.n_folds < 2:
            raise InputError(f"an estimate of {self.n_errors} errors among {self.n_samples} samples is impossible.")
        if self.n_independent is not None and not 0 < self.n_independent <= self.n_samples:
            raise InputError(f"{self.n_samples} samples cannot tell as much as {self.n_independent} independent ones.")
        if self.value is not None and not np.isfinite(self.value):
            raise InputError(f"an estimate of {self.value} is impossible.")

    @property
    def error(self) -> float:
        """Share of held-out samples that were wrong."""
        return self.n_errors / self.n_samples

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for the error on unseen samples."""
        n_independent = self.n_samples if self.n_independent is None else self.n_independent
        n_effective = max(1, round(EFFECTIVE * n_independent))
        return interval(round(self.error * n_effective), n_effective)

    def to_dict(self) -> dict[str, Any]:
        """Return it with its interval as JSON values."""
        return {**asdict(self), "error": self.error, "interval": list(self.interval)}
