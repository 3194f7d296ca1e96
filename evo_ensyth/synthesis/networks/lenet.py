"""LeNet of EnSyth: two convolutions and two dense layers for 28 x 28 grey images, 1,663,370 parameters.

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019, with the
architecture of the public Net-Trim code (``mnist_lenet``), from which the published parameter count follows.
"""

import torch
from torch import nn

from evo_ensyth.synthesis.network import Network, Scaled
from evo_ensyth.synthesis.networks._layers import convolution, dense_head, truncated_normal


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    layers = [
        *convolution("conv1", 1, 32, 5),
        ("pool1", nn.MaxPool2d(2)),
        *convolution("conv2", 32, 64, 5),
        ("pool2", nn.MaxPool2d(2)),
        *dense_head((64 * 7 * 7, 512, n_classes)),
    ]
    starts = dict.fromkeys(("conv1", "conv2", "fc1", "fc2"), (0.1, 0.1))
    return truncated_normal(layers, Scaled((1, 28, 28)), starts, rng)
