"""VGG for 32 x 32 colour images: convolutions of 3 x 3 with batch normalisation, five poolings, one dense layer.

Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, configurations A,
B, D and E. After five poolings a single pixel is left, which one dense layer reads, instead of three.
"""

from collections import OrderedDict

import torch
from torch import nn

from evo_ensyth.synthesis.network import Network, SequentialNetwork
from evo_ensyth.synthesis.networks._layers import CIFAR, he_normal

WIDTHS = (64, 128, 256, 512, 512)


def vgg(n_convolutions: tuple[int, ...], n_classes: int, rng: torch.Generator) -> Network:
    """Return an untrained network with so many convolutions before each pooling."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs, number = CIFAR.shape[0], 0
    for stage, (width, count) in enumerate(zip(WIDTHS, n_convolutions, strict=True), start=1):
        for _ in range(count):
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(inputs, width, 3, padding=1)
            layers[f"norm{number}"] = nn.BatchNorm2d(width)
            layers[f"conv{number}_relu"] = nn.ReLU()
            inputs = width
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(inputs, n_classes)
    return he_normal(SequentialNetwork(layers, CIFAR), rng)
