"""Statistics of paired errors by search and by summing; knees by distance from a line."""

from math import comb

import numpy as np
from scipy.optimize import minimize_scalar


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
