"""The network that the members of a pool were made from, for comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Parent:
    """The uncompressed network.

    Attributes
    ----------
    costs : mapping of str to float
        The pool's costs, as far as they are known for the parent.
    y_pred : mapping of split to (n_samples,)
        Its predictions; empty if they were not kept, as in pools of earlier versions.
    """

    costs: Mapping[str, float]
    y_pred: Mapping[str, np.ndarray]
