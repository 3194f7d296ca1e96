"""Intervals from resampling: samples, or whole groups of samples, are drawn again with replacement."""

from collections.abc import Callable, Iterator

import numpy as np

from evo_ensyth.results.statistics import LEVEL

RESAMPLES = 2_000
# Numbers drawn at once: 32 MB.
DRAWN = 2**22


def cluster_intervals(
    wrong: np.ndarray, groups: np.ndarray, level: float = LEVEL, seed: int = 0
) -> list[tuple[float, float]]:
    """Score intervals for error rates where samples of one group are alike, such as the scans of one patient.

    The interval is Wilson's for the number of independent samples, see `independent_samples`, with Student's t for the
    number of groups. Percentiles of the resamples would be too narrow where groups or errors are few.

    Parameters
    ----------
    wrong : bool, (n_ensembles, n_samples)
    groups : int, (n_samples,)
        Code of the group of each sample.
    level : float
        Confidence.
    seed : int
        The same seed gives the same intervals.

    References
    ----------
    Korn, Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated from
    survey data", Survey Methodology 24, 1998.
    """
    from scipy.stats import t

    n_groups = len(np.unique(groups))
    if n_groups == 1:
        return [(0.0, 1.0)] * len(wrong)
    z = float(t.ppf((1 + level) / 2, n_groups - 1))
    errors, counts = wrong.mean(axis=1), independent_samples(wrong, groups, seed)
    return [_score_interval(float(error), float(n), z) for error, n in zip(errors, counts, strict=True)]


def independent_samples(wrong: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """How many independent samples tell as much about an error rate as samples that come in groups.

    Groups are drawn again with replacement 2,000 times; the variance of the error among these resamples tells.

    Parameters
    ----------
    wrong : bool, (n_ensembles, n_samples)
    groups : int, (n_samples,)
        Code of the group of each sample; at least two groups.
    seed : int

    Returns
    -------
    float64, (n_ensembles,)
        At most ``n_samples``.

    References
    ----------
    Field, Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69, 2007.
    """
    codes = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    # Whole numbers, so that the sums are exact.
    errors = np.stack([np.bincount(codes, weights=row, minlength=len(sizes)) for row in wrong], axis=1)
    n_groups, n_samples = len(sizes), len(groups)
    drawn = (counts.astype(np.float64) for counts in _draws(n_groups, seed, RESAMPLES))
    rates = np.concatenate([(counts @ errors) / (counts @ sizes)[:, None] for counts in drawn])
    error = errors.sum(axis=0) / n_samples
    # Row by row in memory: then the last digits do not depend on the other ensembles.
    variance = np.ascontiguousarray(rates.T).var(axis=1) * n_groups / (n_groups - 1)
    # Without any spread, as without errors, each group counts once.
    told = error * (1 - error) / np.where(variance > 0, variance, 1)
    return np.where(variance > 0, np.minimum(told, n_samples), float(n_groups))


def resampled_interval(
    values: Callable[[np.ndarray], np.ndarray],
    n_samples: int,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile interval of any metric: of its values on resamples of the samples, or of their groups.

    Parameters
    ----------
    values : function of int64, (n_resamples, n_samples), to float64, (n_resamples,)
        The metric, given how often each sample was drawn; see `Objective.resampled`.
    n_samples : int
    groups : int, (n_samples,), optional
        Code of the group of each sample; groups are then drawn instead of samples.
    level : float
        Confidence.
    seed : int
        The same seed gives the same interval.
    resamples : int

    References
    ----------
    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13; Field, Welsh, "Bootstrapping clustered
    data", Journal of the Royal Statistical Society B 69, 2007.
    """
    found = [values(counts) for counts in draws(n_samples, groups, resamples, seed)]
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def draws(n_samples: int, groups: np.ndarray | None, resamples: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield how often each sample is drawn in each of some resamples: int64, (n_resamples, n_samples).

    Parameters
    ----------
    n_samples : int
    groups : int, (n_samples,), optional
        Code of the group of each sample; groups are then drawn instead of samples.
    resamples : int
    seed : int
    """
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = n_samples if codes is None else int(codes.max()) + 1
    for counts in _draws(n_units, seed, resamples, at_once=max(1, DRAWN // n_samples)):
        yield counts if codes is None else counts[:, codes]


def _score_interval(error: float, n_samples: float, z: float) -> tuple[float, float]:
    """Wilson's interval: where an error rate is z standard errors from the observed one."""
    middle = error + z**2 / (2 * n_samples)
    reach = z * np.sqrt(error * (1 - error) / n_samples + z**2 / (4 * n_samples**2))
    scale = 1 + z**2 / n_samples
    return max(0.0, float((middle - reach) / scale)), min(1.0, float((middle + reach) / scale))


def _draws(n_units: int, seed: int, resamples: int, at_once: int = 0) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn in each of some resamples: int64, (n, n_units)."""
    rng = np.random.default_rng(seed)
    at_once = at_once or max(1, DRAWN // n_units)
    for start in range(0, resamples, at_once):
        n = min(at_once, resamples - start)
        drawn = rng.integers(0, n_units, (n, n_units)) + n_units * np.arange(n)[:, None]
        yield np.bincount(drawn.ravel(), minlength=n * n_units).reshape(n, n_units)
