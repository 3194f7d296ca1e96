"""Sparse dense layers whose edges come and go: training them, and where the next ones may be.

An edge is there or not whatever its weight, which is zero when it is new: masks say which, bool, (n_outputs, n_inputs).
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import Training, train


class Edges(nn.Module):
    """Lets the weights of some edges through, and gradients to them; all others are zero."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights that there are."""
        return torch.where(self.get_buffer("mask"), weight, 0.0)


def train_edges(
    network: Network, masks: Mapping[str, np.ndarray], data: Split, settings: Training, *, seed: int
) -> Network:
    """Return a trained copy in which some layers have the edges of their mask and no others.

    Parameters
    ----------
    network : Network
    masks : for each of these layers bool, (n_outputs, n_inputs)
    data : Split
    settings : Training
        Without L2, which would pull at weights that are not there.
    seed : int
    """
    begin = copy.deepcopy(network)
    for name, mask in masks.items():
        parametrize.register_parametrization(weighted_layers(begin)[name], "weight", Edges(torch.from_numpy(mask)))
    trained = train(begin, data, settings, seed=seed)
    for name in masks:
        parametrize.remove_parametrizations(weighted_layers(trained)[name], "weight", leave_parametrized=True)
    return with_state(network, trained.state_dict())  # in the parent's order


def dense_layers(network: nn.Module) -> dict[str, nn.Linear]:
    """Dense layers by name, in the order of computation."""
    return {name: layer for name, layer in weighted_layers(network).items() if isinstance(layer, nn.Linear)}


def drawn_edges(vacant: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw so many of the places where an edge may come, each as likely as another: bool, like ``vacant``."""
    drawn: np.ndarray = np.zeros(vacant.shape, dtype=bool)
    drawn.flat[rng.choice(np.flatnonzero(vacant), count, replace=False)] = True
    return drawn


def smallest_edges(weights: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """Mark so many of the edges whose weights are nearest to zero; of equal ones the earlier: bool, like ``mask``."""
    places = np.flatnonzero(mask)
    marked = np.zeros(mask.shape, dtype=bool)
    marked.flat[places[np.argsort(np.abs(weights.flat[places]), kind="stable")[:count]]] = True
    return marked


def told(network: Network, masks: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Edges of every layer, their density, and how many weigh something, as plain JSON values.

    An edge from or to a unit that never answers does not learn, and weighs nothing if it was new.
    """
    nonzeros = {name: int(layer.weight.count_nonzero()) for name, layer in dense_layers(network).items()}
    return {
        name: {"edges": int(mask.sum()), "density": float(mask.mean()), "nonzeros": nonzeros[name]}
        for name, mask in masks.items()
    }
