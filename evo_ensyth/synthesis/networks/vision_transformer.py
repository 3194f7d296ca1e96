"""A small vision transformer for 32 x 32 colour images: 64 patches of 4 x 4, six blocks, 810,890 parameters.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", ICLR 2021, made small:
normalisation comes first in each block, and the dense layer reads the mean over the patches, not a class token.
"""

import torch
from torch import nn

from evo_ensyth.synthesis.network import ImageNetwork, Network
from evo_ensyth.synthesis.networks._layers import CIFAR

WIDTH = 128
HEADS = 4
BLOCKS = 6
PATCH = 4


class VisionTransformer(ImageNetwork):
    """Patches as tokens, learned positions, transformer blocks, and a dense layer."""

    def __init__(self, n_classes: int) -> None:
        super().__init__(CIFAR)
        channels, height, width = CIFAR.shape
        self.patches = nn.Conv2d(channels, WIDTH, PATCH, stride=PATCH)
        self.positions = nn.Parameter(torch.zeros(height * width // PATCH**2, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(WIDTH)
        self.fc = nn.Linear(WIDTH, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits, (n_samples, n_classes)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        logits: torch.Tensor = self.fc(self.norm(self.blocks(tokens)).mean(dim=1))
        return logits


class Block(nn.Module):
    """Attention among the tokens and then two dense layers for each, both added to what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH)
        self.mixed = nn.Linear(WIDTH, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.fc1 = nn.Linear(WIDTH, 2 * WIDTH)
        self.fc2 = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens, (n_samples, n_tokens, width)."""
        n_samples, n_tokens, width = tokens.shape
        parts = self.queries_keys_values(self.norm1(tokens)).view(n_samples, n_tokens, 3, HEADS, width // HEADS)
        attended = nn.functional.scaled_dot_product_attention(*parts.permute(2, 0, 3, 1, 4))
        tokens = tokens + self.mixed(attended.transpose(1, 2).reshape(n_samples, n_tokens, width))
        changed: torch.Tensor = tokens + self.fc2(nn.functional.gelu(self.fc1(self.norm2(tokens))))
        return changed


def build(n_classes: int, rng: torch.Generator) -> Network:
    """Return the untrained network: weights from a normal distribution with standard deviation 0.02, biases of 0."""
    network = VisionTransformer(n_classes)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02, generator=rng)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network
