"""Model B of the DropNet paper: two convolutions and one dense layer for 28 x 28 grey images, 68,938 parameters.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020; started as Keras does by
default.
"""

import torch

from evo_ensyth.synthesis.network import Network, Scaled
from evo_ensyth.synthesis.networks._layers import dense_head, glorot_uniform, pooled_convolutions


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    layers = [*pooled_convolutions((1, 64, 64)), *dense_head((64 * 7 * 7, n_classes))]
    return glorot_uniform(layers, Scaled((1, 28, 28)), rng)
