"""Building blocks of the architectures: groups of layers, and ways to draw initial weights."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn

from evo_ensyth.synthesis.network import PaddedCrop, Preparation, SequentialNetwork, weighted_layers

Layers = list[tuple[str, nn.Module]]
Drawn = TypeVar("Drawn", bound=nn.Module)

# Of the training images of CIFAR-10, scaled to [0, 1]: red, green, blue.
CIFAR = PaddedCrop((3, 32, 32), mean=(0.4914, 0.4822, 0.4465), sd=(0.2470, 0.2435, 0.2616))


def convolution(name: str, inputs: int, outputs: int, side: int) -> Layers:
    """Convolution that keeps height and width, then a ReLU."""
    return [(name, nn.Conv2d(inputs, outputs, side, padding=side // 2)), (f"{name}_relu", nn.ReLU())]


def pooled_convolutions(channels: tuple[int, ...]) -> Layers:
    """Convolutions of 3 x 3 named conv1, conv2, ..., each followed by a pooling that halves height and width."""
    layers: Layers = []
    for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
        layers += [*convolution(f"conv{number}", inputs, outputs, 3), (f"pool{number}", nn.MaxPool2d(2))]
    return layers


def dense_head(sizes: tuple[int, ...]) -> Layers:
    """Dense layers fc1, fc2, ... from the flattened maps to the logits."""
    layers: Layers = [("flatten", nn.Flatten())]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers += [(f"fc{number}_dropout", nn.Dropout(0.0)), (f"fc{number}", nn.Linear(inputs, outputs))]
        if number < len(sizes) - 1:
            layers.append((f"fc{number}_relu", nn.ReLU()))
    return layers


def truncated_normal(
    layers: Iterable[tuple[str, nn.Module]],
    preparation: Preparation,
    starts: Mapping[str, tuple[float, float]],
    rng: torch.Generator,
) -> SequentialNetwork:
    """Network with weights from a normal distribution cut off at two standard deviations, and constant biases.

    Parameters
    ----------
    layers : iterable of (str, Module)
    preparation : Preparation
    starts : mapping of layer name to (standard deviation, bias)
    rng : Generator
    """
    network = SequentialNetwork(OrderedDict(layers), preparation)
    for name, layer in weighted_layers(network).items():
        sd, bias = starts[name]
        nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd, generator=rng)
        nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
    return network


def glorot_uniform(
    layers: Iterable[tuple[str, nn.Module]], preparation: Preparation, rng: torch.Generator
) -> SequentialNetwork:
    """Network with weights uniform within +-sqrt(6 / (fan in + fan out)), after Glorot, and biases of zero."""
    network = SequentialNetwork(OrderedDict(layers), preparation)
    for layer in weighted_layers(network).values():
        nn.init.xavier_uniform_(layer.weight, generator=rng)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


def he_normal(network: Drawn, rng: torch.Generator) -> Drawn:
    """Draw weights of convolutions with variance 2 / (outputs x positions), those of dense layers with 1 / inputs.

    Biases are 0, and normalisations begin as they are: with factor 1 and shift 0. The source of the first is He, Zhang,
    Ren, Sun, "Delving deep into rectifiers", ICCV 2015.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=rng)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=rng)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network
