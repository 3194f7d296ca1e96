"""Dense layers for tables of 30 columns: two hidden ones of 128 units with batch normalisation, 22,342 parameters.

Another number of columns takes three lines in a module of your own, whose function a recipe names::

    from evo_ensyth.synthesis.networks import table_mlp

    def build(n_classes, rng):
        return table_mlp.build(n_classes, rng, n_columns=54)
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.networks._layers import he_normal


class TableMlp(Network):
    """Columns brought to mean 0 and standard deviation 1 by a batch normalisation, then dense layers.

    Parameters
    ----------
    sizes : sequence of int
        Columns, units of each hidden layer, classes.
    """

    preparation = "float32"

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.n_columns = sizes[0]
        layers: list[nn.Module] = [nn.BatchNorm1d(sizes[0])]
        for inputs, outputs in pairwise(sizes[:-1]):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(sizes[-2], sizes[-1])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits, (n_samples, n_classes)."""
        logits: torch.Tensor = self.fc(self.layers(rows))
        return logits

    def prepare(self, stored: torch.Tensor) -> torch.Tensor:
        """Numbers as float32, (n_samples, n_columns)."""
        return stored.float()

    def augment(self, stored: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """As `prepare`; nothing is drawn."""
        return self.prepare(stored)

    def example(self) -> torch.Tensor:
        """One row of zeros."""
        return torch.zeros(1, self.n_columns)


def build(n_classes: int, rng: torch.Generator, n_columns: int = 30, hidden: Sequence[int] = (128, 128)) -> Network:
    """Return the untrained network."""
    return he_normal(TableMlp((n_columns, *hidden, n_classes)), rng)
