"""What a network predicts, and what it costs, layer by layer."""

import copy
import hashlib
import math
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_ensyth.io.pool_folder import Answers
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU
from evo_ensyth.synthesis.inspection.operations import Record, record
from evo_ensyth.synthesis.layer_surgery import MARKS, quantised_bits
from evo_ensyth.synthesis.network import Network, SequentialNetwork, weighted_layers
from evo_ensyth.synthesis.recipe import Latency
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.trees import Tree, joined, moved

BATCH = 500
FLOAT_BITS = 32
WARM_UPS = 5
WHOLE = "network"  # name of a network as the owner of weights that no module in it owns


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
    """Modules with weights, in the order of computation, with the costs of each for one sample.

    Returns
    -------
    list of mappings with ``name``, ``chain``, ``weights`` and ``costs``
        ``chain`` is equal for two networks exactly if they are equal up to and including this module. ``weights`` holds
        the ``format`` in which they are stored, see `storage`, and the ``bits`` of each. The costs are ``parameters``
        (those that are not zero), ``bytes`` (parameters, statistics of a batch normalisation, and the steps of a
        quantised layer), ``macs`` (multiplications with a weight by dense kernels, and what follows up to the next
        weights, such as the products of attention) and ``sparse_macs`` (without those with a weight that is zero).
        Tied weights count where they come first.

    Raises
    ------
    InputError
        A layer is marked as quantised and is not.
    """
    seen = record(network, network.example())
    own = _own_tensors(network)
    macs = dict.fromkeys(own, (0, 0))
    owner = _owners(own)
    last = next(iter(own))
    for operation in seen.operations:
        last = last if operation.weight is None else owner[operation.weight]
        macs[last] = macs[last][0] + operation.macs, macs[last][1] + operation.sparse_macs
    digests = chains(network, seen)
    return [
        {
            "name": name or WHOLE,
            "chain": digests[name],
            **_priced(network.get_submodule(name), own[name], *macs[name]),
        }
        for name in _in_order(own, seen)
    ]


def chains(network: Network, seen: Record | None = None) -> dict[str, str]:
    """Digest of everything from the input to each module with weights: preparation, operations, parameters."""
    if isinstance(network, SequentialNetwork):
        return _chains_in_a_row(network)  # as earlier versions wrote them into pools
    seen = record(network, network.example()) if seen is None else seen
    digests = {}
    for name in _own_tensors(network):
        # A module that is not called itself is a part of what calls it.
        called = next(place for place in (name, *_above(name)) if place in seen.calls_of)
        marks = [f"{part} {tensor.tolist()}" for part, tensor in _quantisation(network.get_submodule(name)).items()]
        parts = (repr(network.preparation), name, *marks, *(call.digest for call in seen.calls_of[called]))
        digests[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return digests


def _chains_in_a_row(network: SequentialNetwork) -> dict[str, str]:
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

    Only a `SequentialNetwork` can be timed layer by layer. In another, the last layer has the time of the network, and
    the others have none: an ensemble then pays for every member in full.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    how : Latency
    known : mapping of chain to float
        Latencies measured before, which are not measured again: a layer that members share has one latency.
    """
    if not isinstance(network, SequentialNetwork):
        *others, last = (layer["chain"] for layer in layers(network))
        latency = known.get(last) or latency_ms(network, _batch(network, how.batch), how.repeats)
        return {**dict.fromkeys(others, 0.0), last: latency}
    names, values = chains(network), _batch(network, how.batch)
    found = dict.fromkeys((layer["chain"] for layer in layers(network)), 0.0)  # e.g. normalisations, which are parts
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


def _batch(network: Network, n_samples: int) -> Tree:
    """Inputs to time: the example so many times, images with drawn values."""
    example = network.example()
    if isinstance(network, SequentialNetwork):
        return torch.rand(n_samples, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    return joined([example] * n_samples)


def _own_tensors(network: Network) -> dict[str, dict[str, torch.Tensor]]:
    """Stored floats of modules, parameters and buffers, by module and name; each tensor once."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    known: set[int] = set()
    for full, tensor in network.state_dict(keep_vars=True).items():
        if id(tensor) not in known and tensor.is_floating_point():
            known.add(id(tensor))
            name, _, part = full.rpartition(".")
            found.setdefault(name, {})[part] = tensor
    return found


def _owners(own: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, str]:
    """Module of each parameter, by its full name."""
    return {f"{name}.{part}".lstrip("."): name for name, parts in own.items() for part in parts}


def _in_order(own: Iterable[str], seen: Record) -> list[str]:
    """Names of modules in the order in which they are called first; what is not called itself, as what calls it."""
    first = {name: place for place, name in reversed(list(enumerate(call.name for call in seen.calls)))}
    return sorted(own, key=lambda name: next(first[place] for place in (name, *_above(name)) if place in first))


def _above(name: str) -> Iterator[str]:
    """Names of the modules of which a module is a part, the nearest first."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _priced(module: nn.Module, own: Mapping[str, torch.Tensor], macs: int, sparse_macs: int) -> dict[str, Any]:
    bits = quantised_bits(module) or FLOAT_BITS
    weight = "weight" if "weight" in own else next(iter(own))
    best, weight_bytes = storage(own[weight], bits)
    costs = {
        "parameters": sum(_nonzero(tensor) for tensor in own.values() if isinstance(tensor, nn.Parameter)),
        "bytes": weight_bytes + sum(storage(tensor)[1] for part, tensor in own.items() if part != weight),
        "macs": macs,
        "sparse_macs": sparse_macs,
    }
    return {"weights": {"format": best, "bits": bits}, "costs": costs}


def _quantisation(module: nn.Module) -> dict[str, torch.Tensor]:
    """What marks a layer as quantised."""
    buffers = dict(module.named_buffers(recurse=False))
    return {name: buffers[name] for name in MARKS if name in buffers}


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
