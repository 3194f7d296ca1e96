"""What a network predicts, and what it costs, layer by layer."""

import copy
import hashlib
import math
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_ensyth.io.pool_folder import Answers
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.network import Layer, Network, weighted_layers
from evo_ensyth.synthesis.recipe import Latency
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.trees import moved

BATCH = 500
FLOAT_BITS = 32
WARM_UPS = 5


def predict(network: Network, split: Split, device: torch.device = CPU) -> Answers:
    """Labels and class probabilities for every sample of a split, computed in float32 on a device.

    The label is the class of highest probability; ties go to the lowest class.
    """
    batches = (split.stored(slice(start, start + BATCH)) for start in range(0, len(split), BATCH))
    network = network if device == CPU else copy.deepcopy(network).to(device)
    with torch.inference_mode():
        logits = (network(network.prepare(moved(stored, device))) for stored in batches)
        scores = torch.cat([found.softmax(dim=1) for found in logits]).cpu().numpy()
    kind = np.uint8 if scores.shape[1] <= 256 else np.uint16
    return Answers(scores.argmax(axis=1).astype(kind), scores)


def accuracy(predicted: Answers, split: Split) -> float:
    """Share of correct labels."""
    return float(np.mean(predicted.y_pred == split.y_true))


def layers(network: Network) -> list[dict[str, Any]]:
    """Convolutional and dense layers from the input on, with the costs of each for one image.

    Returns
    -------
    list of mappings with ``name``, ``chain``, ``weights`` and ``costs``
        ``chain`` is equal for two networks exactly if they are equal up to and including this layer. ``weights`` holds
        the ``format`` in which they are stored, see `storage`, and the ``bits`` of each. The costs are ``parameters``
        (weights and biases that are not zero), ``bytes`` (weights, biases, and the steps of a quantised layer),
        ``macs`` (multiplications with a weight by dense kernels) and ``sparse_macs`` (those with a weight that is not
        zero).

    Raises
    ------
    InputError
        A layer is marked as quantised and is not.
    """
    digests, positions = chains(network), _positions(network)
    return [
        {"name": name, "chain": digests[name], **_priced(layer, positions[name])}
        for name, layer in weighted_layers(network).items()
    ]


def chains(network: Network) -> dict[str, str]:
    """Digest of everything from the input to each module: preparation, modules with their settings, parameters."""
    chain = hashlib.sha256(repr(network.preparation).encode())
    digests = {}
    for name, module in network.named_children():
        if isinstance(module, nn.Dropout):
            continue  # Predictions do not depend on it.
        chain.update(repr(module).encode())
        for tensor in module.state_dict().values():
            chain.update(tensor.numpy().tobytes())
        digests[name] = chain.hexdigest()
    return digests


def densities(network: Network) -> dict[str, float]:
    """Share of weights and biases that are not zero, layer by layer."""
    return {
        name: sum(map(_nonzero, layer.parameters())) / sum(tensor.numel() for tensor in layer.parameters())
        for name, layer in weighted_layers(network).items()
    }


def storage(tensor: torch.Tensor, bits: int = FLOAT_BITS) -> tuple[str, int]:
    """Smallest storage format of a tensor, and its bytes, for values of the given bits.

    ``dense`` stores every value; ``bitmask`` one bit per value, and the nonzero values; ``csr`` the nonzero values,
    each with a column index of 32 bits, and the start of each row in 32 bits.
    """
    count, nonzero, rows = tensor.numel(), _nonzero(tensor), len(tensor) if tensor.ndim > 1 else 1
    values = math.ceil(nonzero * bits / 8)
    formats = {
        "dense": math.ceil(count * bits / 8),
        "bitmask": math.ceil(count / 8) + values,
        "csr": values + 4 * nonzero + 4 * (rows + 1),
    }
    best = min(formats, key=formats.__getitem__)
    return best, formats[best]


def runtime(how: Latency) -> dict[str, Any]:
    """Conditions of a latency measured now and in this way, as JSON values."""
    return {"runtime": f"torch {torch.__version__}", "processor": processor(), "threads": 1, **asdict(how)}


def layer_latencies(network: Network, how: Latency, known: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds that each layer takes for a batch, including what follows it up to the next layer, by its ``chain``.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    how : Latency
    known : mapping of chain to float
        Latencies measured before, which are not measured again: a layer that members share has one latency.
    """
    names, found = chains(network), dict[str, float]()
    values = torch.rand(how.batch, *network.preparation.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for name, part in _parts(network).items():
            chain = names[name]
            found[chain] = known[chain] if chain in known else latency_ms(part, values, how.repeats)
            values = part(values)
    return found


def latency_ms(network: nn.Module, images: torch.Tensor, repeats: int = 50) -> float:
    """Median time in milliseconds to process one batch of prepared images in one thread, after warm-up calls.

    It is the thread's processor time: time taken by other programs does not count.
    """
    seconds = []
    with reproducible(threads=1), torch.inference_mode():
        for _ in range(WARM_UPS + repeats):
            begin = time.thread_time()
            network(images)
            seconds.append(time.thread_time() - begin)
    return float(np.median(seconds[WARM_UPS:]) * 1000)


def _priced(layer: Layer, positions: int) -> dict[str, Any]:
    bits = quantised_bits(layer) or FLOAT_BITS
    best, weight_bytes = storage(layer.weight, bits)
    besides = [tensor for name, tensor in layer.state_dict().items() if name in ("bias", "step")]
    costs = {
        "parameters": sum(map(_nonzero, layer.parameters())),
        "bytes": weight_bytes + sum(storage(tensor)[1] for tensor in besides),
        "macs": positions * layer.weight.numel(),
        "sparse_macs": positions * _nonzero(layer.weight),
    }
    return {"weights": {"format": best, "bits": bits}, "costs": costs}


def _positions(network: Network) -> dict[str, int]:
    """How often each layer's weights are used for one image: once if dense, once per output pixel in a convolution."""
    positions = {}
    values = network.example()
    with torch.inference_mode():
        for name, module in network.named_children():
            values = module(values)
            positions[name] = math.prod(values.shape[2:])
    return positions


def _parts(network: Network) -> dict[str, nn.Sequential]:
    """Split a network into one part for every layer, by name and in order, each with what follows up to the next layer.

    What precedes the first layer, such as a flattening, belongs to its part.
    """
    parts: dict[str, list[nn.Module]] = {}
    part: list[nn.Module] = []
    for name, module in network.named_children():
        if name in weighted_layers(network):
            part = parts[name] = [] if parts else part
        if not isinstance(module, nn.Dropout):
            part.append(module)
    return {name: nn.Sequential(*modules) for name, modules in parts.items()}


def processor() -> str:
    """Name of the processor, from Linux or as far as Python knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _nonzero(tensor: torch.Tensor) -> int:
    return int(torch.count_nonzero(tensor))
