"""ResNet-20 for 32 x 32 colour images: 19 convolutions in three stages and a dense layer, 269,722 parameters.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, with ways around that have
no parameters (option A).
"""

import torch

from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.networks._layers import he_normal
from evo_ensyth.synthesis.networks._residual import ResNet


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    return he_normal(ResNet(n_classes, (16, 32, 64), 3, projected=False), rng)
