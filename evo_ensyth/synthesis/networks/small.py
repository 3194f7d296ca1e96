"""Small network for digits: two convolutions and three dense layers for 8 x 8 grey images, 15,010 parameters."""

import torch
from torch import nn

from evo_ensyth.synthesis.network import Network, Scaled
from evo_ensyth.synthesis.networks._layers import convolution, dense_head, truncated_normal


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    layers = [
        *convolution("conv1", 1, 8, 3),
        ("pool1", nn.MaxPool2d(2)),
        *convolution("conv2", 8, 16, 3),
        *dense_head((16 * 4 * 4, 48, 24, n_classes)),
    ]
    starts = dict.fromkeys(("conv1", "conv2", "fc1", "fc2", "fc3"), (0.1, 0.1))
    return truncated_normal(layers, Scaled((1, 8, 8), largest=16), starts, rng)
