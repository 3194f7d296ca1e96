"""What the units of a network, neurons and filters, output: means over images and positions."""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU, has_float64
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.trees import moved

IMAGES_AT_ONCE = 500


def unit_means(
    network: Network,
    data: Split,
    layers: Sequence[str],
    of: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Mean, over images and positions, of a function of each unit's output behind its activation function.

    Parameters
    ----------
    network : Network
    data : Split
    layers : sequence of str
        Names of layers that are followed directly by their activation function.
    of : callable
        Applied to a tensor of outputs, entry by entry.
    device : torch.device
        One without float64 is not used.

    Returns
    -------
    float64, (n_units,), for each layer
    """
    device = device if has_float64(device) else CPU
    network = network if device == CPU else copy.deepcopy(network).to(device)
    modules = dict(network.named_children())
    order = list(modules)
    sums = {name: torch.zeros(n_units(network, name), dtype=torch.float64, device=device) for name in layers}

    def count(name: str, output: torch.Tensor) -> None:
        positions = output.flatten(2) if output.ndim > 2 else output[:, :, None]
        sums[name] += of(positions).double().mean(dim=2).sum(dim=0)

    hooks = []
    try:
        for name in layers:
            behind = modules[order[order.index(name) + 1]]
            hooks.append(behind.register_forward_hook(lambda _, __, output, name=name: count(name, output)))
        with torch.inference_mode():
            for start in range(0, len(data), IMAGES_AT_ONCE):
                network(network.prepare(moved(data.stored(slice(start, start + IMAGES_AT_ONCE)), device)))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (total / len(data)).cpu().numpy() for name, total in sums.items()}


def layers_before_the_last(parent: Network, named: Sequence[str] | None) -> tuple[str, ...]:
    """Layers from which units may be removed: the named ones, by default all but the last.

    Raises
    ------
    InputError
        A name is not that of a layer before the last.
    """
    names = tuple(weighted_layers(parent))[:-1]
    for name in named or ():
        if name not in names:
            raise InputError(f"layers names '{name}'; the parent's layers before the last are {', '.join(names)}.")
    return names if named is None else tuple(named)


def n_units(network: Network, name: str) -> int:
    """Count the neurons or filters of a layer."""
    return len(weighted_layers(network)[name].weight)
