"""How votes come out, sample by sample."""

from typing import NamedTuple

import numpy as np


class Outcomes(NamedTuple):
    """Outcomes of subsets, in any order of the samples.

    Attributes
    ----------
    truth, most, whole : int32, (n_subsets, n_samples)
        Sum of the true class, largest sum, and sum of all classes.
    right : bool, (n_subsets, n_samples)
    """

    truth: np.ndarray
    most: np.ndarray
    whole: np.ndarray
    right: np.ndarray
