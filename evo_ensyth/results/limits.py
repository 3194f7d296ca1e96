"""When a value keeps a limit: also where it misses it by no more than the rounding of sums."""

import numpy as np

ROUNDING = 1e-9  # relative to the limit


def beyond(values: np.ndarray, limit: float) -> np.ndarray:
    """How far each value lies above an upper limit; 0 for those that keep it.

    Whole numbers are exact. Other values are sums or shares of floats and may lie above a limit that they meet by a
    billionth of it.

    Parameters
    ----------
    values : float64, (n,)
    limit : float

    Returns
    -------
    float64, (n,)
    """
    values = np.asarray(values, np.float64)
    slack = np.where(values == np.rint(values), 0.0, ROUNDING * abs(limit))
    return np.where(values - limit > slack, values - limit, 0.0)
