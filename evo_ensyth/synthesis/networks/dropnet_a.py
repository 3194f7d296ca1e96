"""Model A of the DropNet paper: three dense layers for 28 x 28 grey images, 33,450 parameters.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020; started as Keras does by
default.
"""

import torch

from evo_ensyth.synthesis.network import Network, Scaled
from evo_ensyth.synthesis.networks._layers import dense_head, glorot_uniform


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    return glorot_uniform(dense_head((28 * 28, 40, 40, n_classes)), Scaled((1, 28, 28)), rng)
