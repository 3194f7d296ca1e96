"""VGG-16 for 32 x 32 colour images: configuration D with batch normalisation, 14,728,266 parameters.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015; see `_vgg`.
"""

import torch

from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.networks._vgg import vgg


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    return vgg((2, 2, 3, 3, 3), n_classes, rng)
