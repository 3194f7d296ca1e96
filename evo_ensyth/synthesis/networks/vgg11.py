"""VGG-11 for 32 x 32 colour images: configuration A with batch normalisation, 9,231,114 parameters.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015; see `_vgg`.
"""

import torch

from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.networks._vgg import vgg


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    return vgg((1, 1, 2, 2, 2), n_classes, rng)
