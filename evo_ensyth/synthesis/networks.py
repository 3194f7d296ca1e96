"""The parents, layer by layer: EnSyth's two networks, a small one for digits, and three of the DropNet paper.

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019, with the
architectures of the public Net-Trim code (``mnist_lenet``, ``cifar10_convet``), from which the published parameter
counts 1,663,370 and 1,068,298 follow.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020: models A, B and C, with
33,450, 68,938 and 394,058 parameters, started as Keras does by default.

Every dense layer has a dropout in front, and every dense layer but the last is followed directly by a ReLU: that is
what the compression methods and the fine-tuning regimes rely on.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import nn

from evo_ensyth import plugins


class Preparation(Protocol):
    """How stored images become what a network sees."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a prepared image."""

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Prepare images for an answer, always in the same way."""

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Prepare images for training, drawing at random what may vary."""


@dataclass(frozen=True)
class Scaled:
    """Grey values divided by the largest that can occur; training sees the same images as evaluation."""

    shape: tuple[int, int, int]
    largest: int = 255

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Scale to [0, 1]."""
        return images.float() / self.largest

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Scale to [0, 1]; nothing is drawn."""
        return self.prepare(images)


@dataclass(frozen=True)
class StandardisedCrop:
    """A square cut from the image, each channel of it brought to mean 0 and standard deviation 1.

    Notes
    -----
    The code this follows draws crop offsets from 0..7; here every place where the square fits is as likely as another.
    """

    shape: tuple[int, int, int]
    noise: float = 0.001

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Cut from the centre."""
        _, height, width = self.shape
        top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
        return _standardised(images[:, :, top : top + height, left : left + width])

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Cut anywhere, mirror every second image or so, and add Gaussian noise."""
        _, height, width = self.shape
        squares = images.unfold(2, height, 1).unfold(3, width, 1)  # (n, channels, tops, lefts, height, width)
        count = len(images)
        tops = torch.randint(squares.shape[2], (count,), generator=rng)
        lefts = torch.randint(squares.shape[3], (count,), generator=rng)
        mirrored = torch.rand(count, generator=rng) < 0.5
        cut = _standardised(squares[torch.arange(count), :, tops, lefts])
        cut = torch.where(mirrored[:, None, None, None], cut.flip(3), cut)
        return cut + self.noise * torch.randn(cut.shape, generator=rng)


class Network(nn.Sequential):
    """Named layers in the order of computation, and how images are prepared for them.

    Attributes
    ----------
    preparation : Preparation
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]", preparation: Preparation) -> None:
        super().__init__(layers)
        self.preparation = preparation

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Images as the network sees them when it answers.

        Parameters
        ----------
        images : uint8, (n_samples, channels, height, width)

        Returns
        -------
        float32, (n_samples, *preparation.shape)
        """
        return self.preparation.prepare(images)

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Images as the network sees them in training; shapes as in `prepare`."""
        return self.preparation.augment(images, rng)


def build(name: str, n_classes: int, seed: int) -> Network:
    """Return an untrained network, in evaluation mode.

    Parameters
    ----------
    name : str
        ``lenet``, ``dropnet_a`` and ``dropnet_b`` (28 x 28, grey), ``cifar`` and ``dropnet_c`` (32 x 32, colour), or
        ``small`` (8 x 8, grey).
    n_classes : int
    seed : int
        Of the initial weights.

    Raises
    ------
    InputError
        No such network.
    """
    if name not in NETWORKS:
        raise plugins.unknown("network", name, NETWORKS)
    return NETWORKS[name](n_classes, torch.Generator().manual_seed(seed)).eval()


def weighted_layers(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Convolutional and dense layers by name, in the order of computation."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


def _lenet(n_classes: int, rng: torch.Generator) -> Network:
    layers = [
        *_convolution("conv1", 1, 32, 5),
        ("pool1", nn.MaxPool2d(2)),
        *_convolution("conv2", 32, 64, 5),
        ("pool2", nn.MaxPool2d(2)),
        *_dense_head((64 * 7 * 7, 512, n_classes)),
    ]
    starts = dict.fromkeys(("conv1", "conv2", "fc1", "fc2"), (0.1, 0.1))
    return _started(layers, Scaled((1, 28, 28)), starts, rng)


def _cifar(n_classes: int, rng: torch.Generator) -> Network:
    layers = [
        *_convolution("conv1", 3, 64, 5),
        ("pool1", _same_pooling()),
        ("norm1", _local_response_norm()),
        *_convolution("conv2", 64, 64, 5),
        ("norm2", _local_response_norm()),
        ("pool2", _same_pooling()),
        *_dense_head((64 * 6 * 6, 384, 192, n_classes)),
    ]
    starts = {"conv1": (0.05, 0.0), "conv2": (0.05, 0.1), "fc1": (0.04, 0.1), "fc2": (0.04, 0.1), "fc3": (1 / 192, 0.0)}
    return _started(layers, StandardisedCrop((3, 24, 24)), starts, rng)


def _small(n_classes: int, rng: torch.Generator) -> Network:
    layers = [
        *_convolution("conv1", 1, 8, 3),
        ("pool1", nn.MaxPool2d(2)),
        *_convolution("conv2", 8, 16, 3),
        *_dense_head((16 * 4 * 4, 48, 24, n_classes)),
    ]
    starts = dict.fromkeys(("conv1", "conv2", "fc1", "fc2", "fc3"), (0.1, 0.1))
    return _started(layers, Scaled((1, 8, 8), largest=16), starts, rng)


def _dropnet_a(n_classes: int, rng: torch.Generator) -> Network:
    return _glorot_started(_dense_head((28 * 28, 40, 40, n_classes)), Scaled((1, 28, 28)), rng)


def _dropnet_b(n_classes: int, rng: torch.Generator) -> Network:
    layers = [*_pooled_convolutions((1, 64, 64)), *_dense_head((64 * 7 * 7, n_classes))]
    return _glorot_started(layers, Scaled((1, 28, 28)), rng)


def _dropnet_c(n_classes: int, rng: torch.Generator) -> Network:
    layers = [*_pooled_convolutions((3, 64, 64, 128, 128)), *_dense_head((128 * 2 * 2, 256, n_classes))]
    return _glorot_started(layers, Scaled((3, 32, 32)), rng)


NETWORKS: dict[str, Callable[[int, torch.Generator], Network]] = {
    "lenet": _lenet,
    "cifar": _cifar,
    "small": _small,
    "dropnet_a": _dropnet_a,
    "dropnet_b": _dropnet_b,
    "dropnet_c": _dropnet_c,
}


def _convolution(name: str, inputs: int, outputs: int, side: int) -> list[tuple[str, nn.Module]]:
    """Convolve without changing height and width, then ReLU."""
    return [(name, nn.Conv2d(inputs, outputs, side, padding=side // 2)), (f"{name}_relu", nn.ReLU())]


def _pooled_convolutions(channels: tuple[int, ...]) -> list[tuple[str, nn.Module]]:
    """Convolutions 3 x 3 called conv1, conv2, ..., each with a pooling that halves height and width."""
    layers: list[tuple[str, nn.Module]] = []
    for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
        layers += [*_convolution(f"conv{number}", inputs, outputs, 3), (f"pool{number}", nn.MaxPool2d(2))]
    return layers


def _dense_head(sizes: tuple[int, ...]) -> list[tuple[str, nn.Module]]:
    """Dense layers fc1, fc2, ... from the flattened maps to the logits."""
    layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        layers += [(f"fc{number}_dropout", nn.Dropout(0.0)), (f"fc{number}", nn.Linear(inputs, outputs))]
        if number < len(sizes) - 1:
            layers.append((f"fc{number}_relu", nn.ReLU()))
    return layers


def _same_pooling() -> nn.MaxPool2d:
    """3 x 3 maxima at stride 2 with SAME padding: on an even side that is one line at the far edge, as ceiling does."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _local_response_norm() -> nn.LocalResponseNorm:
    """Divide by (1 + (0.001 / 9) sum of squares of 9 neighbouring channels)^0.75; torch divides alpha by 9 itself."""
    return nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0)


def _started(
    layers: Iterable[tuple[str, nn.Module]],
    preparation: Preparation,
    starts: dict[str, tuple[float, float]],
    rng: torch.Generator,
) -> Network:
    """Weights from a normal distribution cut off at two standard deviations, constant biases: (sd, bias) per layer."""
    network = Network(OrderedDict(layers), preparation)
    for name, layer in weighted_layers(network).items():
        sd, bias = starts[name]
        nn.init.trunc_normal_(layer.weight, std=sd, a=-2 * sd, b=2 * sd, generator=rng)
        nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
    return network


def _glorot_started(layers: Iterable[tuple[str, nn.Module]], preparation: Preparation, rng: torch.Generator) -> Network:
    """Weights from Glorot's uniform distribution, up to sqrt(6 / (fan in + fan out)) either way; biases of zero."""
    network = Network(OrderedDict(layers), preparation)
    for layer in weighted_layers(network).values():
        nn.init.xavier_uniform_(layer.weight, generator=rng)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network


def _standardised(images: torch.Tensor) -> torch.Tensor:
    images = images.float()
    mean = images.mean(dim=(2, 3), keepdim=True)
    sd = images.std(dim=(2, 3), keepdim=True, correction=0)
    flat = (images.shape[2] * images.shape[3]) ** -0.5  # Keeps a channel of one colour from being divided by zero.
    return (images - mean) / sd.clamp(min=flat)
