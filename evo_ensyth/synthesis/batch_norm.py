"""Batch normalisation after compression: its statistics are estimated again, since weights before it have changed.

Without this, an untuned copy answers like noise, and a parent with poor statistics is beaten by its own 8-bit copy.
"""

import copy
from collections.abc import Collection

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.reproducibility import derived_seed, drawing
from evo_ensyth.synthesis.trees import moved

BATCHES = 16
SAMPLES = 128  # in a batch; of few samples, batches are smaller


def batch_norms(network: nn.Module) -> dict[str, nn.Module]:
    """Batch normalisations that keep statistics, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def norms_of_convolutions(network: nn.Module) -> dict[str, nn.Module]:
    """Batch normalisations up to the last convolution or directly behind it: those that are frozen with them."""
    names = list(dict(network.named_modules()))
    layers = weighted_layers(network)
    convolutions = [names.index(name) for name, layer in layers.items() if not isinstance(layer, nn.Linear)]
    last = max(convolutions, default=-1)
    end = min((names.index(name) for name in layers if names.index(name) > last), default=len(names))
    return {name: norm for name, norm in batch_norms(network).items() if convolutions and names.index(name) < end}


def re_estimated(
    network: Network, data: Split, *, seed: int, device: torch.device = CPU, kept: Collection[str] = ()
) -> Network:
    """Return a copy whose batch normalisations have the means and variances of some training batches.

    Batches count alike, and dropout is off. A network without batch normalisation is returned as it is.

    Parameters
    ----------
    network : Network
    data : Split
        Training samples, which are shown as in training.
    seed : int
    device : torch.device
    kept : collection of str
        Names of normalisations to leave alone.
    """
    if not set(batch_norms(network)) - set(kept):
        return network
    network = copy.deepcopy(network).to(device).eval()
    norms = [norm for name, norm in batch_norms(network).items() if name not in kept]
    assert all(isinstance(norm, _BatchNorm) for norm in norms)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()  # type: ignore[operator]
        norm.momentum = None  # type: ignore[assignment]  # all batches alike
        norm.train()
    order = np.random.default_rng(seed).permutation(len(data))[: BATCHES * SAMPLES]
    with torch.no_grad(), drawing(derived_seed(seed, "samples"), device):
        rng = torch.Generator(device).manual_seed(derived_seed(seed, "augmentation"))
        for samples in np.array_split(order, min(BATCHES, max(1, len(order) // 2))):
            network(network.augment(moved(data.stored(samples), device), rng))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval().to(CPU)
