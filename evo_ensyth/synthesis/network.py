"""What a network is: a classifier with inputs; those of this package are named layers in the order of computation."""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from evo_ensyth.synthesis.trees import Tree


class Preparation(Protocol):
    """How stored images become the input of a network."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a prepared image."""

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Prepare images for prediction; the same images give the same input every time."""

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Prepare images for training, drawing at random what may vary; the generator is on their device."""


@dataclass(frozen=True)
class Scaled:
    """Grey values divided by the largest possible one; training and prediction see the same input."""

    shape: tuple[int, int, int]
    largest: int = 255

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Scale to [0, 1]."""
        return images.float() / self.largest

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Scale to [0, 1]; nothing is drawn."""
        return self.prepare(images)


@dataclass(frozen=True)
class PaddedCrop:
    """Colour values with mean 0 and standard deviation 1 over a data set, by channel; shifted and mirrored in training.

    Attributes
    ----------
    shape : (int, int, int)
    mean, sd : tuple of float
        Of each channel of the training images, scaled to [0, 1].
    padding : int
        Black pixels on each side, from which a square of the image's size is cut.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    padding: int = 4

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Standardise each channel."""
        mean = torch.tensor(self.mean, device=images.device)[:, None, None]
        sd = torch.tensor(self.sd, device=images.device)[:, None, None]
        return (images.float() / 255 - mean) / sd

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Pad, cut at a random position, and mirror with probability 1/2."""
        cut, mirrored = _drawn_squares(nn.functional.pad(images, (self.padding,) * 4), self.shape, rng)
        return self.prepare(_flipped(cut, mirrored))


@dataclass(frozen=True)
class StandardisedCrop:
    """A square cut from the image, each channel shifted and scaled to mean 0 and standard deviation 1.

    Notes
    -----
    The published code draws crop offsets from 0 to 7; here every position at which the square fits is equally likely.
    """

    shape: tuple[int, int, int]
    noise: float = 0.001

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Cut from the centre."""
        _, height, width = self.shape
        top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
        return _standardised(images[:, :, top : top + height, left : left + width])

    def augment(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Cut at a random position, mirror with probability 1/2, and add Gaussian noise."""
        cut, mirrored = _drawn_squares(images, self.shape, rng)
        cut = _flipped(_standardised(cut), mirrored)
        return cut + self.noise * torch.randn(cut.shape, generator=rng, device=images.device)


class Network(nn.Module):
    """A classifier: it takes inputs of samples, one tensor or a tree of them, and returns logits.

    ``network(inputs)`` gives floats, (n_samples, n_classes). Inputs come from `prepare` or `augment`.

    Attributes
    ----------
    preparation
        What `prepare` and `augment` follow; its ``repr`` tells it from others.
    """

    preparation: Any

    def prepare(self, stored: Tree) -> Tree:
        """Inputs for stored samples as the network sees them when it predicts; the same ones every time."""
        raise NotImplementedError

    def augment(self, stored: Tree, rng: torch.Generator) -> Tree:
        """Inputs for stored samples as the network sees them in training; the generator is on their device."""
        raise NotImplementedError

    def example(self) -> Tree:
        """Prepared inputs of one sample, in the processor's memory, with the types and shapes that every sample has."""
        raise NotImplementedError


class ImageNetwork(Network):
    """A network for images, and how these are prepared for it.

    Attributes
    ----------
    preparation : Preparation
    """

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.preparation = preparation

    def prepare(self, stored: torch.Tensor) -> torch.Tensor:
        """Images as the network sees them when it predicts.

        Parameters
        ----------
        stored : uint8, (n_samples, channels, height, width)

        Returns
        -------
        float32, (n_samples, *preparation.shape)
        """
        prepared: torch.Tensor = self.preparation.prepare(stored)
        return prepared

    def augment(self, stored: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Images as the network sees them in training; shapes as in `prepare`."""
        augmented: torch.Tensor = self.preparation.augment(stored, rng)
        return augmented

    def example(self) -> torch.Tensor:
        """One black image."""
        return torch.zeros(1, *self.preparation.shape)


class SequentialNetwork(ImageNetwork, nn.Sequential):
    """Named layers in the order of computation, and how images are prepared for them.

    In those of EnSyth and DropNet a dropout precedes every dense layer, which a training's ``keep`` sets.

    Attributes
    ----------
    preparation : Preparation
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]", preparation: Preparation) -> None:
        nn.Sequential.__init__(self, layers)
        self.preparation = preparation


Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
"""A layer whose weights, (n_outputs, n_inputs, ...), are its own matrix or filters."""


def weighted_layers(network: nn.Module) -> dict[str, Layer]:
    """Convolutional and dense layers by name, as registered; in a `SequentialNetwork`, in the order of computation."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, Layer)}


def untied_layers(network: nn.Module) -> dict[str, Layer]:
    """Weighted layers whose weights are theirs alone."""
    owners = Counter(id(parameter) for _, parameter in network.named_parameters(remove_duplicate=False))
    return {name: layer for name, layer in weighted_layers(network).items() if owners[id(layer.weight)] == 1}


def quantisable_layers(network: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """Modules that have one matrix of weights, and its name in them; called as in `weight_matrices`."""
    found: dict[str, tuple[nn.Module, str]] = {}
    for name, module in network.named_modules():
        if isinstance(module, Layer):
            found[name] = module, "weight"
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found[f"{name}.in_proj_weight".lstrip(".")] = module, "in_proj_weight"
    return found


def weight_matrices(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights of layers, by the layer's name, and of attention and recurrent layers, by that of the parameter.

    The order is that of `weighted_layers`. Weights that layers share come once.
    """
    found: dict[str, torch.Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, Layer):
            found[name] = module.weight
        elif isinstance(module, nn.MultiheadAttention | nn.RNNBase):
            parts = module.named_parameters(name, recurse=False)
            found |= {part: parameter for part, parameter in parts if "weight" in part.rpartition(".")[2]}
    first = {id(parameter): name for name, parameter in reversed(found.items())}
    return {name: parameter for name, parameter in found.items() if first[id(parameter)] == name}


def _drawn_squares(
    images: torch.Tensor, shape: tuple[int, int, int], rng: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a square from each image at a random position; and draw which of them to mirror, bool, (n_images,)."""
    _, height, width = shape
    squares = images.unfold(2, height, 1).unfold(3, width, 1)  # (n, channels, tops, lefts, height, width)
    count, device = len(images), images.device
    tops = torch.randint(squares.shape[2], (count,), generator=rng, device=device)
    lefts = torch.randint(squares.shape[3], (count,), generator=rng, device=device)
    mirrored = torch.rand(count, generator=rng, device=device) < 0.5
    return squares[torch.arange(count, device=device), :, tops, lefts], mirrored


def _flipped(images: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def _standardised(images: torch.Tensor) -> torch.Tensor:
    images = images.float()
    mean = images.mean(dim=(2, 3), keepdim=True)
    sd = images.std(dim=(2, 3), keepdim=True, correction=0)
    flat = (images.shape[2] * images.shape[3]) ** -0.5  # Keeps a channel of one colour from being divided by zero.
    return (images - mean) / sd.clamp(min=flat)
