"""Convolutional network of EnSyth for CIFAR: 24 x 24 crops of colour images, 1,068,298 parameters.

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019, with the
architecture of the public Net-Trim code (``cifar10_convet``), from which the published parameter count follows.
"""

import torch
from torch import nn

from evo_ensyth.synthesis.network import Network, StandardisedCrop
from evo_ensyth.synthesis.networks._layers import convolution, dense_head, truncated_normal
from evo_ensyth.synthesis.networks._local_response_norm import LocalResponseNorm


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    layers = [
        *convolution("conv1", 3, 64, 5),
        ("pool1", MaxPool2d(3, stride=2, ceil_mode=True)),
        ("norm1", _local_response_norm()),
        *convolution("conv2", 64, 64, 5),
        ("norm2", _local_response_norm()),
        ("pool2", MaxPool2d(3, stride=2, ceil_mode=True)),
        *dense_head((64 * 6 * 6, 384, 192, n_classes)),
    ]
    starts = {"conv1": (0.05, 0.0), "conv2": (0.05, 0.1), "fc1": (0.04, 0.1), "fc2": (0.04, 0.1), "fc3": (1 / 192, 0.0)}
    return truncated_normal(layers, StandardisedCrop((3, 24, 24)), starts, rng)


class MaxPool2d(nn.MaxPool2d):
    """Maxima with SAME padding of an even side, one line at the far edge, as ceiling mode does.

    On a processor, channels are laid out last, in which pooling takes a fifth of the time; what follows keeps the
    layout. The name is torch's, by which the digests of trunks go.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Pool (n_samples, channels, height, width)."""
        if maps.device.type == "cpu":
            maps = maps.contiguous(memory_format=torch.channels_last)
        pooled: torch.Tensor = super().forward(maps)
        return pooled


def _local_response_norm() -> LocalResponseNorm:
    """Divide by (1 + (0.001 / 9) sum of squares of 9 neighbouring channels)^0.75; torch divides alpha by 9 itself."""
    return LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)
