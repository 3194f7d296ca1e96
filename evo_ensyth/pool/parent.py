"""The network that the members of a pool were made from: what they are to be compared with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Parent:
    """The uncompressed network.

    Attributes
    ----------
    costs : mapping of str to float
        Those of the pool's costs that are known of it.
    y_pred : mapping of split to (n_samples,)
        What it answers; empty where that was not kept, as in pools of earlier versions.
    """

    costs: Mapping[str, float]
    y_pred: Mapping[str, np.ndarray]
