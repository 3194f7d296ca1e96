"""Training of networks whose dense layers have only some of their edges, see `_edges`."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.layer_surgery import with_state
from evo_ensyth.synthesis.network import Network, untied_layers, weighted_layers
from evo_ensyth.synthesis.training import Training


class EdgeMask(nn.Module):
    """Lets the weights of some edges pass, and their gradients; all others are zero."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights of the edges, and zeros elsewhere."""
        return torch.where(self.get_buffer("mask"), weight, 0.0)


def train_edges(
    network: Network,
    masks: Mapping[str, np.ndarray],
    data: Split,
    settings: Training,
    *,
    seed: int,
    device: torch.device,
) -> Network:
    """Return a trained copy in which some layers have exactly the edges of their mask.

    Parameters
    ----------
    network : Network
    masks : mapping of layer name to bool, (n_outputs, n_inputs)
    data : Split
    settings : Training
        Without L2, which would act on weights that do not exist.
    seed : int
    device : torch.device
    """
    begin = copy.deepcopy(network)
    for name, mask in masks.items():
        parametrize.register_parametrization(weighted_layers(begin)[name], "weight", EdgeMask(torch.from_numpy(mask)))
    trained = train(begin, data, settings, seed=seed, device=device)
    for name in masks:
        parametrize.remove_parametrizations(weighted_layers(trained)[name], "weight", leave_parametrized=True)
    return with_state(network, trained.state_dict())  # in the parent's order


def dense_layers(network: nn.Module) -> dict[str, nn.Linear]:
    """Dense layers by name whose weights are theirs alone, in the order of `weighted_layers`.

    Raises
    ------
    InputError
        There is none.
    """
    found = {name: layer for name, layer in untied_layers(network).items() if isinstance(layer, nn.Linear)}
    if not found:
        raise InputError("the parent has no dense layer with weights of its own, whose edges could change.")
    return found


def edge_report(network: Network, masks: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Number of edges of every layer, their density, and how many have a weight other than zero; plain JSON values.

    An edge from or to a unit that never activates does not learn, and keeps a weight of zero if it was new.
    """
    nonzeros = {name: int(layer.weight.count_nonzero()) for name, layer in dense_layers(network).items()}
    return {
        name: {"edges": int(mask.sum()), "density": float(mask.mean()), "nonzeros": nonzeros[name]}
        for name, mask in masks.items()
    }
