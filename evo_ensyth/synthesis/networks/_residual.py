"""What residual networks for 32 x 32 colour images are made of."""

from collections.abc import Sequence

import torch
from torch import nn

from evo_ensyth.synthesis.network import ImageNetwork, Preparation
from evo_ensyth.synthesis.networks._layers import CIFAR


class Block(nn.Module):
    """Two convolutions of 3 x 3 with batch normalisation, added to what goes around them.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the first convolution.
    projected : bool
        Where shapes differ, the way around is a convolution of 1 x 1; otherwise every second pixel, and zeros in the
        channels that are new.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, projected: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.around: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.around = (
                nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
                if projected
                else Thinned(stride, outputs - inputs)
            )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps, (n_samples, outputs, height / stride, width / stride)."""
        changed = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(maps)))))
        return torch.relu(changed + self.around(maps))


class Thinned(nn.Module):
    """Every ``stride``-th pixel, and so many channels of zeros, half of them before the others."""

    def __init__(self, stride: int, more: int) -> None:
        super().__init__()
        self.stride, self.more = stride, more

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Thin (n_samples, channels, height, width) out."""
        before = self.more // 2
        thinned = maps[:, :, :: self.stride, :: self.stride]
        return nn.functional.pad(thinned, (0, 0, 0, 0, before, self.more - before))


class ResNet(ImageNetwork):
    """A convolution, stages of blocks, the mean over all positions, and a dense layer.

    Parameters
    ----------
    n_classes : int
    widths : sequence of int
        Channels of each stage; from the second on, its first block halves height and width.
    n_blocks : int
        In each stage.
    projected : bool
        See `Block`.
    """

    def __init__(
        self, n_classes: int, widths: Sequence[int], n_blocks: int, *, projected: bool, preparation: Preparation = CIFAR
    ) -> None:
        super().__init__(preparation)
        self.conv = nn.Conv2d(preparation.shape[0], widths[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        blocks, inputs = [], widths[0]
        for stage, width in enumerate(widths):
            for place in range(n_blocks):
                blocks.append(Block(inputs, width, 2 if stage and not place else 1, projected=projected))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(widths[-1], n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits, (n_samples, n_classes)."""
        maps = self.blocks(torch.relu(self.norm(self.conv(images))))
        logits: torch.Tensor = self.fc(maps.mean(dim=(2, 3)))
        return logits
