"""What a network answers, and what it costs, layer by layer."""

import hashlib
import math
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.io.pool_folder import Answers
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import reproducible

BATCH = 500
FLOAT_BITS = 32
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
    return float(np.mean(answered.y_pred == split.y_true))


def layers(network: Network) -> list[dict[str, Any]]:
    """Convolutional and dense layers from the input on, with what each costs for one image.

    Returns
    -------
    list of mappings with ``name``, ``chain``, ``weights`` and ``costs``
        ``chain`` is the same for two networks exactly if they compute the same up to and including this layer.
        ``weights`` names the ``format`` that they are stored in, see `storage`, and the ``bits`` of one of them.
        The costs are ``parameters`` (weights and biases that are not zero), ``bytes`` (weights, biases, and the steps
        of a quantised layer), ``macs`` (multiplications with a weight, as dense kernels do them) and ``sparse_macs``
        (those with a weight that is not zero).

    Raises
    ------
    InputError
        A layer is said to be quantised and is not.
    """
    digests, positions = chains(network), _positions(network)
    return [
        {"name": name, "chain": digests[name], **_priced(layer, positions[name])}
        for name, layer in weighted_layers(network).items()
    ]


def chains(network: Network) -> dict[str, str]:
    """Digest of all there is from the input to each module: preparation, modules with their settings, parameters."""
    chain = hashlib.sha256(repr(network.preparation).encode())
    digests = {}
    for name, module in network.named_children():
        if isinstance(module, nn.Dropout):
            continue  # Answers do not depend on it.
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
    """Format that takes fewest bytes for a tensor, and how many, where a value takes so many bits.

    ``dense`` stores every value; ``bitmask`` one bit per value and those that are not zero; ``csr`` those that are not
    zero with a column of 32 bits each, and where each row begins, in 32 bits.
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


@dataclass(frozen=True)
class Latency:
    """How the latency of members is measured: medians of so many calls with so many images, see `latency_ms`.

    Dense kernels do not skip zeros: what is masked takes as long as before, and so do weights of few bits.

    Raises
    ------
    InputError
        A setting below 1.
    """

    batch: int = 1
    repeats: int = 50

    def __post_init__(self) -> None:
        for name in ("batch", "repeats"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 1 or more.")

    def runtime(self) -> dict[str, Any]:
        """What a number means that was measured here and in this way, as JSON values."""
        return {"runtime": f"torch {torch.__version__}", "processor": _processor(), "threads": 1, **asdict(self)}


def layer_latencies(network: Network, how: Latency, known: Mapping[str, float]) -> dict[str, float]:
    """Milliseconds that each layer takes for a batch, with all that follows it up to the next, by its ``chain``.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    how : Latency
    known : mapping of chain to float
        What is known already, and not measured again: a layer that members share has one latency.
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
    """Median time in milliseconds to answer one batch of prepared images in one thread, after unmeasured warm-ups.

    It is the thread's own time on the processor: what other programs take of it meanwhile does not count.
    """
    seconds = []
    with reproducible(threads=1), torch.inference_mode():
        for _ in range(WARM_UPS + repeats):
            begin = time.thread_time()
            network(images)
            seconds.append(time.thread_time() - begin)
    return float(np.median(seconds[WARM_UPS:]) * 1000)


def _priced(layer: nn.Conv2d | nn.Linear, positions: int) -> dict[str, Any]:
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
    """How often each layer's weights are used for one image: once for dense, once per output pixel for convolutions."""
    positions = {}
    values = torch.zeros(1, *network.preparation.shape)
    with torch.inference_mode():
        for name, module in network.named_children():
            values = module(values)
            positions[name] = math.prod(values.shape[2:])
    return positions


def _parts(network: Network) -> dict[str, nn.Sequential]:
    """Cut a network behind every layer and what follows it: the parts by the names of these layers, in order.

    What comes before the first layer, such as a flattening, is part of it.
    """
    parts: dict[str, list[nn.Module]] = {}
    part: list[nn.Module] = []
    for name, module in network.named_children():
        if name in weighted_layers(network):
            part = parts[name] = [] if parts else part
        if not isinstance(module, nn.Dropout):
            part.append(module)
    return {name: nn.Sequential(*modules) for name, modules in parts.items()}


def _processor() -> str:
    """Name of the processor, as Linux tells it, or as much of it as Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _nonzero(tensor: torch.Tensor) -> int:
    return int(torch.count_nonzero(tensor))
