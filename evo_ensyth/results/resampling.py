"""Intervals from resampling: samples, or whole groups of samples, are drawn again with replacement."""

from collections.abc import Callable, Iterator

import numpy as np

from evo_ensyth.results.statistics import LEVEL

RESAMPLES = 2_000
# Numbers drawn at once: 32 MB.
DRAWN = 2**22


def cluster_interval(wrong: np.ndarray, groups: np.ndarray, level: float = LEVEL, seed: int = 0) -> tuple[float, float]:
    """Score interval for an error rate where samples of one group are alike, such as the scans of one patient.

    Groups are drawn again with replacement 2,000 times. The variance of the error among these resamples says how many
    independent samples would tell as much, and the interval is Wilson's for that number, with Student's t for the
    number of groups. Percentiles of the resamples would be too narrow where groups or errors are few.

    Parameters
    ----------
    wrong : bool, (n_samples,)
    groups : int, (n_samples,)
        Code of the group of each sample.
    level : float
        Confidence.
    seed : int
        The same seed gives the same interval.

    References
    ----------
    Field, Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B 69, 2007; Korn, Graubard,
    "Confidence intervals for proportions with small expected number of positive counts estimated from survey data",
    Survey Methodology 24, 1998, on the effective number of samples.
    """
    from scipy.stats import t

    codes = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(codes)
    errors = np.bincount(codes, weights=wrong).astype(np.int64)
    n_groups, n_samples = len(sizes), len(wrong)
    if n_groups == 1:
        return 0.0, 1.0
    rates = np.concatenate([(counts @ errors) / (counts @ sizes) for counts in _draws(n_groups, seed, RESAMPLES)])
    error = float(errors.sum() / n_samples)
    variance = float(rates.var()) * n_groups / (n_groups - 1)
    # Without any spread, as without errors, each group counts once.
    n_independent = min(error * (1 - error) / variance, n_samples) if variance > 0 else float(n_groups)
    z = float(t.ppf((1 + level) / 2, n_groups - 1))
    middle = error + z**2 / (2 * n_independent)
    reach = z * np.sqrt(error * (1 - error) / n_independent + z**2 / (4 * n_independent**2))
    scale = 1 + z**2 / n_independent
    return max(0.0, float((middle - reach) / scale)), min(1.0, float((middle + reach) / scale))


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
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = n_samples if codes is None else int(codes.max()) + 1
    found = [
        values(counts if codes is None else counts[:, codes])
        for counts in _draws(n_units, seed, resamples, at_once=max(1, DRAWN // n_samples))
    ]
    low, high = np.quantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draws(n_units: int, seed: int, resamples: int, at_once: int = 0) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn in each of some resamples: int64, (n, n_units)."""
    rng = np.random.default_rng(seed)
    at_once = at_once or max(1, DRAWN // n_units)
    for start in range(0, resamples, at_once):
        n = min(at_once, resamples - start)
        drawn = rng.integers(0, n_units, (n, n_units)) + n_units * np.arange(n)[:, None]
        yield np.bincount(drawn.ravel(), minlength=n * n_units).reshape(n, n_units)
