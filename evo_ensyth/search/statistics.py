"""What an error that was counted on a sample says, and which point of a front to take."""

import numpy as np


def interval(errors: int, n_samples: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for an error rate.

    Parameters
    ----------
    errors : int
        Samples that were wrong, of `n_samples`.
    level : float
        Confidence.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    from scipy.stats import binomtest  # takes up to a second to import, so only when asked

    low, high = binomtest(errors, n_samples).proportion_ci(level, method="wilson")
    return float(low), float(high)


def smallest_within_one_standard_error(errors: np.ndarray, sizes: np.ndarray, n_samples: int) -> int:
    """Index of the smallest ensemble that is at most one standard error worse than the best.

    Ties go to the lower error, then to the earlier one.

    Parameters
    ----------
    errors, sizes : int64, (n,)
        Samples that are wrong, and members, of each ensemble.
    n_samples : int

    References
    ----------
    Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984, section 3.4.3.
    """
    best = errors.min() / n_samples
    bound = best + np.sqrt(best * (1 - best) / n_samples)
    good = np.flatnonzero(errors / n_samples <= bound)
    return int(good[np.lexsort((errors[good], sizes[good]))[0]])


def smallest_as_good(wrong: np.ndarray, sizes: np.ndarray, standard_errors: float = 0.5) -> int:
    """Index of the smallest ensemble whose error is at most half a standard error above the lowest.

    It is the standard error of the difference between the two, sample by sample: far less than that of either, for they
    are wrong on mostly the same samples. Ties go to the lower error, then to the earlier one.

    Parameters
    ----------
    wrong : bool, (n, n_samples)
        Where each ensemble is wrong.
    sizes : int64, (n,)
        Members of each.
    standard_errors : float
        How many of them.
    """
    errors = np.count_nonzero(wrong, axis=1)
    n_samples = wrong.shape[1]
    best = wrong[np.lexsort((sizes, errors))[0]]
    more = errors - np.count_nonzero(best)
    differing = np.count_nonzero(wrong != best, axis=1)
    bound = standard_errors * np.sqrt(differing - more**2 / n_samples)
    good = np.flatnonzero(more <= bound)
    return int(good[np.lexsort((errors[good], sizes[good]))[0]])
