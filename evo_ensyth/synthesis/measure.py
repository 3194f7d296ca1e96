"""What a network answers, and what it costs, layer by layer."""

import hashlib
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_ensyth.pool.store import Answers
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import reproducible

BATCH = 500
WARM_UPS = 5


def answers(network: Network, split: Split) -> Answers:
    """Labels and class probabilities for every image of a split, computed in float32.

    The label is the class of the highest probability, the lowest of them where several are highest.
    """
    starts = range(0, len(split), BATCH)
    with torch.inference_mode():
        batches = (network.prepare(torch.tensor(split.images[start : start + BATCH])) for start in starts)
        scores = torch.cat([network(images).softmax(dim=1) for images in batches]).numpy()
    kind = np.uint8 if scores.shape[1] <= 256 else np.uint16
    return Answers(scores.argmax(axis=1).astype(kind), scores)


def accuracy(answered: Answers, split: Split) -> float:
    """Share of right labels."""
    return float(np.mean(answered.labels == split.labels))


def layers(network: Network) -> list[dict[str, Any]]:
    """Convolutional and dense layers from the input on, with what each costs for one image.

    Returns
    -------
    list of mappings with ``name``, ``chain`` and ``costs``
        ``chain`` is the same for two networks exactly if they compute the same up to and including this layer.
        The costs are ``parameters`` (weights and biases that are not zero), ``bytes`` (see `stored_bytes`), ``macs``
        (multiplications with a weight, as dense kernels do them) and ``sparse_macs`` (those with a weight that is not
        zero).
    """
    chains, positions = _chains(network), _positions(network)
    return [
        {"name": name, "chain": chains[name], "costs": _costs(layer, positions[name])}
        for name, layer in weighted_layers(network).items()
    ]


def densities(network: Network) -> dict[str, float]:
    """Share of weights and biases that are not zero, layer by layer."""
    return {
        name: sum(map(_nonzero, layer.parameters())) / sum(tensor.numel() for tensor in layer.parameters())
        for name, layer in weighted_layers(network).items()
    }


def stored_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a float32 tensor, dense or as one bit per entry and the entries that are not zero, whichever is less."""
    count = tensor.numel()
    return min(4 * count, math.ceil(count / 8) + 4 * _nonzero(tensor))


def latency_ms(network: nn.Module, images: torch.Tensor, repeats: int = 50) -> float:
    """Median time in milliseconds to answer one batch of prepared images in one thread, after unmeasured warm-ups."""
    seconds = []
    with reproducible(threads=1), torch.inference_mode():
        for _ in range(WARM_UPS + repeats):
            begin = time.perf_counter()
            network(images)
            seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[WARM_UPS:]) * 1000)


def _costs(layer: nn.Module, positions: int) -> Mapping[str, int]:
    weight = next(tensor for name, tensor in layer.named_parameters() if name == "weight")
    return {
        "parameters": sum(map(_nonzero, layer.parameters())),
        "bytes": sum(map(stored_bytes, layer.parameters())),
        "macs": positions * weight.numel(),
        "sparse_macs": positions * _nonzero(weight),
    }


def _chains(network: Network) -> dict[str, str]:
    """Digest of all there is from the input to each layer: preparation, modules with their settings, parameters."""
    chain = hashlib.sha256(repr(network.preparation).encode())
    chains = {}
    for name, module in network.named_children():
        if isinstance(module, nn.Dropout):
            continue  # Answers do not depend on it.
        chain.update(repr(module).encode())
        for tensor in module.state_dict().values():
            chain.update(tensor.numpy().tobytes())
        chains[name] = chain.hexdigest()
    return chains


def _positions(network: Network) -> dict[str, int]:
    """How often each layer's weights are used for one image: once for dense, once per output pixel for convolutions."""
    positions = {}
    values = torch.zeros(1, *network.preparation.shape)
    with torch.inference_mode():
        for name, module in network.named_children():
            values = module(values)
            positions[name] = math.prod(values.shape[2:])
    return positions


def _nonzero(tensor: torch.Tensor) -> int:
    return int(torch.count_nonzero(tensor))
