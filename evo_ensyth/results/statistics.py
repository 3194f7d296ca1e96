"""What errors that were counted on a sample say: of one ensemble, of two on the same samples, and of a whole front.

Importing scipy takes up to a second, so each function does it when it is asked.
"""

from functools import lru_cache

import numpy as np

LEVEL = 0.95


@lru_cache(1 << 16)  # reports ask for the same ones again and again, and scipy takes a millisecond
def interval(errors: int, n_samples: int, level: float = LEVEL) -> tuple[float, float]:
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
    from scipy.stats import binomtest

    low, high = binomtest(errors, n_samples).proportion_ci(level, method="wilson")
    return float(low), float(high)


def paired_interval(
    first_only: float, second_only: float, n_samples: float, level: float = LEVEL
) -> tuple[float, float]:
    """Tango's score interval for the difference of two error rates on the same samples, first minus second.

    It excludes 0 exactly where McNemar's test without a correction finds a difference, and is of use where few samples
    or none tell the two apart.

    Parameters
    ----------
    first_only, second_only : float
        Samples that only the first, or only the second, gets wrong.
    n_samples : float
    level : float
        Confidence.

    References
    ----------
    Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17, 1998.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = norm.ppf((1 + level) / 2)
    observed = (first_only - second_only) / n_samples

    def excess(difference: float) -> float:
        """How far the observed difference lies from a true one, squared, beyond what the level allows."""
        variance = _paired_variance(difference, first_only, second_only, n_samples)
        return (observed - difference) ** 2 - float(z**2) * variance

    # What was observed is a root itself where its variance is 0; the ends lie beyond it, on either side.
    beyond = 1e-9
    low = -1.0 if observed == -1 else brentq(excess, -1, observed - beyond)
    high = 1.0 if observed == 1 else brentq(excess, observed + beyond, 1)
    return float(low), float(high)


def mcnemar(first_only: int, second_only: int) -> float:
    """P-value of McNemar's exact test, two-sided, of two ensembles that err equally often on the same samples.

    Parameters
    ----------
    first_only, second_only : int
        Samples that only the first, or only the second, gets wrong.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947.
    """
    from scipy.stats import binomtest

    differing = first_only + second_only
    return float(binomtest(first_only, differing).pvalue) if differing else 1.0


def design_effect(differences: np.ndarray, groups: np.ndarray) -> float:
    """How many samples tell as much about a mean difference as one independent sample, at least 1.

    Parameters
    ----------
    differences : int, (n_samples,)
        Of what two ensembles make of each sample, such as -1, 0 or 1.
    groups : int, (n_samples,)
        Code of the group of each sample; samples of a group may be alike.

    References
    ----------
    Rao, Scott, "A simple method for the analysis of clustered binary data", Biometrics 48, 1992.
    """
    codes = np.unique(groups, return_inverse=True)[1]
    sizes, sums = np.bincount(codes), np.bincount(codes, weights=differences)
    mean, n_groups = differences.mean(), len(sizes)
    if n_groups == 1:
        return float(len(groups))
    plain = float(((differences - mean) ** 2).sum())
    clustered = float(((sums - sizes * mean) ** 2).sum()) * n_groups / (n_groups - 1)
    return max(1.0, clustered / plain) if plain > 0 else 1.0


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values (n,) of n tests, corrected so that the chance of any false finding among them stays below the level.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


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


def lowest(errors: np.ndarray, sizes: np.ndarray) -> int:
    """Index of the ensemble with the fewest errors; of equals the smallest, then the first: int64 (n,), twice."""
    return int(np.lexsort((sizes, errors))[0])


def knee(values: np.ndarray) -> int | None:
    """Index of the point that lies farthest below the straight line between the ends of a front.

    Both objectives are scaled to the range between the ends, so that the line falls from one corner of the unit square
    to the other. Of points equally far the first one is taken.

    Parameters
    ----------
    values : float64, (n, 2)
        Two objectives of every point; smaller is better.

    Returns
    -------
    int or None
        None where no point lies below the line, as with fewer than three points.

    References
    ----------
    Das, "On characterizing the knee of the Pareto curve based on Normal-Boundary Intersection", Structural
    Optimization 18, 1999; compare Branke, Deb, Dierolf, Osswald, "Finding knees in multi-objective optimization",
    PPSN VIII, 2004.
    """
    low = values.min(axis=0)
    # The end at which one objective is best is as good as can be in the other.
    ends = [values[values[:, i] == low[i]].min(axis=0)[1 - i] for i in (1, 0)]
    span = np.array(ends) - low
    if (span <= 0).any():
        return None
    below = 1 - ((values - low) / span).sum(axis=1)  # times the square root of 2, which changes no order
    best = int(below.argmax())
    return best if below[best] > 1e-12 else None


def _paired_variance(difference: float, first_only: float, second_only: float, n_samples: float) -> float:
    """Variance of an observed difference, were ``difference`` the true one.

    With that constraint, the likelihood of the counts is largest at the greater root of a quadratic equation for the
    chance that only the second is wrong.
    """
    a = 2 * n_samples
    b = (2 * n_samples - first_only + second_only) * difference - first_only - second_only
    c = -second_only * difference * (1 - difference)
    chance = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    return float((2 * chance + difference * (1 - difference)) / n_samples)
