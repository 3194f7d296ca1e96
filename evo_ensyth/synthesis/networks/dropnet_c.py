"""Model C of the DropNet paper: four convolutions and two dense layers for 32 x 32 colour images, 394,058 parameters.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020; started as Keras does by
default.
"""

import torch

from evo_ensyth.synthesis.network import Network, Scaled
from evo_ensyth.synthesis.networks._layers import dense_head, glorot_uniform, pooled_convolutions


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    layers = [*pooled_convolutions((3, 64, 64, 128, 128)), *dense_head((128 * 2 * 2, 256, n_classes))]
    return glorot_uniform(layers, Scaled((3, 32, 32)), rng)
