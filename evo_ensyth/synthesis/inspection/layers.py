"""What a network does with each of its weighted layers: how often it is called, and what follows it directly."""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from evo_ensyth.synthesis.inspection.operations import Call, Record
from evo_ensyth.synthesis.network import Layer, weighted_layers

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class LayerUse:
    """How a network uses a layer.

    Attributes
    ----------
    why_not : str, optional
        Why one cannot reason about its inputs and outputs: it is not called exactly once, or its weights are used
        elsewhere too. As the end of a sentence.
    batch_norm : str, optional
        Name of the batch normalisation that alone reads its outputs, with constant statistics, scale and shift.
    relu : bool
        Whether a ReLU alone reads its outputs, behind the batch normalisation if there is one.
    """

    why_not: str | None = None
    batch_norm: str | None = None
    relu: bool = False


def layer_uses(network: nn.Module, seen: Record) -> dict[str, LayerUse]:
    """Weighted layers in the order in which they are called first, and then those that are never called."""
    layers, called = weighted_layers(network), seen.calls_of
    first = {name: calls[0].operations.start for name, calls in called.items()}
    order = sorted(layers, key=lambda name: first.get(name, len(seen.operations)))
    owners = Counter(id(parameter) for _, parameter in network.named_parameters(remove_duplicate=False))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {}
    for name in order:
        calls = called.get(name, ())
        weight = layers[name].weight
        if not calls:
            found[name] = LayerUse("it is not called as a module")
        elif len(calls) > 1:
            found[name] = LayerUse(f"it is called {len(calls)} times")
        elif owners[id(weight)] > 1 or seen.uses.get(names.get(id(weight), ""), 0) != 1:
            found[name] = LayerUse("its weights are used elsewhere too")
        else:
            found[name] = _what_follows(network, seen, calls[0])
    return found


def is_depthwise(layer: nn.Module) -> bool:
    """Whether a layer is a convolution with one filter for each channel, so that channels stay apart."""
    return isinstance(layer, Layer) and getattr(layer, "groups", 1) == len(layer.weight) == _n_inputs(layer) > 1


def unit_axis(layer: nn.Module) -> int:
    """Axis of a weighted layer's outputs and inputs along which its units, or what it reads, lie; below zero."""
    return -1 if isinstance(layer, nn.Linear) else 1 - layer.get_parameter("weight").ndim


def _n_inputs(layer: nn.Module) -> int:
    return int(layer.get_parameter("weight").shape[1]) * int(getattr(layer, "groups", 1))


def _what_follows(network: nn.Module, seen: Record, call: Call) -> LayerUse:
    if len(call.returns) != 1:
        return LayerUse()
    value, batch_norm = call.returns[0], None
    reader = seen.only_reader(value)
    for norm in seen.calls:
        if norm.takes == (value,) and reader is not None and reader in norm.operations and _folds(network, norm, seen):
            batch_norm, value = norm.name, norm.returns[0]
            reader = seen.only_reader(value)
            break
    return LayerUse(None, batch_norm, reader is not None and seen.operations[reader].name == "relu")


def _folds(network: nn.Module, call: Call, seen: Record) -> bool:
    """Whether a call is that of a batch normalisation which is a scale and a shift of each channel, used once."""
    module = network.get_submodule(call.name)
    return (
        isinstance(module, BATCH_NORMS)
        and isinstance(module.weight, torch.Tensor)
        and isinstance(module.running_mean, torch.Tensor)
        and len(seen.calls_of[call.name]) == 1
    )
