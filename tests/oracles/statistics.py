"""Statistics of paired errors by search and by summing; knees by distance from a line."""

from math import comb

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t


def likeliest(difference: float, first_only: int, second_only: int, n: int) -> float:
    """Chance that only the second is wrong, found by search, where the difference is what it is."""

    def surprise(chance: float) -> float:
        rest = 1 - 2 * chance - difference
        pairs = ((first_only, chance + difference), (second_only, chance), (n - first_only - second_only, rest))
        return -sum(count * np.log(max(p, 1e-300)) for count, p in pairs if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    return float(minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided p-value: both tails of a fair coin, summed toss by toss."""
    n = first_only + second_only
    tail = sum(comb(n, k) for k in range(min(first_only, second_only) + 1)) / 2**n
    return min(1, 2 * tail)


def below_the_line(points: np.ndarray) -> np.ndarray:
    """How far each point lies below the line from the cheapest to the best one; the corner under the line is at 1.

    ``points`` is (n_points, 2): cost and errors.
    """
    cheapest = min(points.tolist())
    best = min(points.tolist(), key=lambda point: point[::-1])
    shares = (points - [cheapest[0], best[1]]) / [best[0] - cheapest[0], cheapest[1] - best[1]]
    return 1 - shares.sum(axis=1)


def cluster_interval(wrong, groups, level, seed):
    """The interval of an error rate with each resample drawn and counted group by group."""
    distinct = sorted(set(groups))
    rng = np.random.default_rng(seed)
    rates = []
    for drawn in rng.integers(0, len(distinct), (2_000, len(distinct))):
        sample = [error for i in drawn for error in wrong[groups == distinct[i]]]
        rates.append(np.mean(sample))
    p, g = np.mean(wrong), len(distinct)
    n = min(p * (1 - p) / (np.var(rates) * g / (g - 1)), len(wrong))
    z = t.ppf((1 + level) / 2, g - 1)
    roots = np.roots([1 + z**2 / n, -(2 * p + z**2 / n), p**2])  # |p - q| = z sqrt(q (1 - q) / n)
    return sorted(roots.real)
