"""ResNet-18 for 32 x 32 colour images: four stages of two blocks, 11,173,962 parameters.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016. As usual for images this small, the
first convolution is one of 3 x 3 that keeps height and width, and nothing is pooled behind it.
"""

import torch

from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.networks._layers import he_normal
from evo_ensyth.synthesis.networks._residual import ResNet


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network."""
    return he_normal(ResNet(n_classes, (64, 128, 256, 512), 2, projected=True), rng)
