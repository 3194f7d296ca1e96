"""Layer surgery: marking layers as quantised, and loading weights of layers of any width, quantised or not.

A quantised layer stores its weights as float32 numbers, and two buffers from which they follow: ``step``, (n_outputs,),
and ``bits``. Every weight is an integer multiple of the step of its output, the integer being at most
2^(bits - 1) - 1 in magnitude. So a file of weights determines the shape and the quantisation of its network; the file
of a user's module also holds the plain attributes that tell it from a new one.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.network import Layer, Network, weight_matrices, weighted_layers
from evo_ensyth.synthesis.wrapped_module import WrappedModule

HEADER = "network"
MARKS = ("step", "bits")  # of a quantised layer


def as_safetensors(network: nn.Module, about: Mapping[str, Any] | None = None) -> bytes:
    """Network as a safetensors file; see `read_network`.

    Parameters of a user's module that are one tensor are stored once, under their first name. Plain attributes of its
    layers that were changed, such as their numbers of units, stand in the file's header.

    Parameters
    ----------
    network : Module
    about : mapping, optional
        To be stored in the header too; JSON values.
    """
    state = network.state_dict()
    for name in aliases(network):
        del state[name]
    header = {**({"changes": network.changes()} if isinstance(network, WrappedModule) else {}), **(about or {})}
    # One entry: the order of several would differ from file to file.
    metadata = {HEADER: json.dumps(header, sort_keys=True)} if header else None
    # Views are copied: a method may leave transposed or shared tensors.
    return save({name: tensor.contiguous().clone() for name, tensor in state.items()}, metadata)


def read_network(like: Network, content: bytes) -> Network:
    """Return a network from the content of a file of `as_safetensors`, given one that is built in the same way.

    Raises
    ------
    InputError
        The file belongs to another network.
    """
    state, header = parsed(content)
    return with_state(like, state, header.get("changes", {}))


def parsed(content: bytes) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors of a file of `as_safetensors`, and its header, which is empty for networks of this package."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return load(content), json.loads(header.get("__metadata__", {}).get(HEADER, "{}"))


def with_state(
    network: Network, state: Mapping[str, torch.Tensor], changes: Mapping[str, Mapping[str, Any]] | None = None
) -> Network:
    """Return a copy of a network with other weights, resized and marked as quantised as these require.

    Parameters
    ----------
    network : Network
        With the same layers, of any width.
    state : mapping of str to tensor
        As returned by ``state_dict``; of parameters that are one tensor, the first suffices.
    changes : mapping, optional
        Plain attributes of a user's module; see `WrappedModule.changes`.

    Raises
    ------
    InputError
        The state belongs to another network.
    """
    network = copy.deepcopy(network)
    if isinstance(network, WrappedModule):
        return _with_own_state(network, state, changes or {})
    for name, layer in weighted_layers(network).items():
        _resize(layer, state[f"{name}.weight"], state.get(f"{name}.bias"))
        if f"{name}.step" in state:
            mark_quantised(layer, state[f"{name}.step"], int(state[f"{name}.bits"]))
    network.load_state_dict(state)
    return network


def zeros_of(network: Network) -> dict[torch.Tensor, torch.Tensor]:
    """Masks of what was pruned: the zeros, biases included, of every layer with a zero weight, and of other weights."""
    layers, matrices = weighted_layers(network), weight_matrices(network)
    pruned: list[torch.Tensor] = [
        parameter for layer in layers.values() if (layer.weight == 0).any() for parameter in layer.parameters()
    ]
    pruned += [weight for name, weight in matrices.items() if name not in layers and (weight == 0).any()]
    return {parameter: parameter.detach() == 0 for parameter in pruned}


def mark_quantised(layer: nn.Module, step: torch.Tensor, bits: int) -> None:
    """Mark a layer's weights as codes of so many bits times the step of their output, (n_outputs,)."""
    layer.register_buffer("step", step.detach().clone())
    layer.register_buffer("bits", torch.tensor(bits, dtype=torch.uint8))


def is_quantised(layer: nn.Module) -> bool:
    """Whether a layer is marked as quantised."""
    return "step" in dict(layer.named_buffers(recurse=False))


def quantised_bits(layer: nn.Module) -> int | None:
    """Bits of a quantised layer's codes, or None for a layer that is not quantised.

    Raises
    ------
    InputError
        The weights are not integer multiples of the steps.
    """
    if not is_quantised(layer):
        return None
    bits = int(layer.get_buffer("bits"))
    weight = layer.get_parameter("in_proj_weight" if isinstance(layer, nn.MultiheadAttention) else "weight")
    codes = weight.detach().flatten(1) / layer.get_buffer("step")[:, None]
    if (codes != codes.round()).any() or (codes.abs() > 2 ** (bits - 1) - 1).any():
        raise InputError(f"a layer marked as quantised to {bits} bits holds other weights; quantise after all else.")
    return bits


def _with_own_state(
    network: WrappedModule, state: Mapping[str, torch.Tensor], changes: Mapping[str, Mapping[str, Any]]
) -> WrappedModule:
    """Put the tensors of a state into a user's module, whatever their shapes, and set what else was changed."""
    modules = dict(network.wrapped.named_modules(remove_duplicate=False))
    expected, again = set(network.state_dict()), aliases(network)
    marks = {name for name in state if name.rpartition(".")[2] in MARKS and name.rpartition(".")[0] in modules}
    for name in sorted((expected - again.keys() - state.keys()) | (state.keys() - expected - marks)):
        raise InputError(f"the weights and the network do not fit: only one of them has '{name}'.")
    for name, tensor in state.items():
        where, _, key = name.rpartition(".")
        layer = modules[where]
        if name in again:
            continue
        if isinstance(before := layer._parameters.get(key), nn.Parameter):
            new = nn.Parameter(tensor.clone(), requires_grad=before.requires_grad)
            for alias in (name, *(alias for alias, first in again.items() if first == name)):
                place, _, alias_key = alias.rpartition(".")
                modules[place]._parameters[alias_key] = new
        else:
            layer.register_buffer(key, tensor.clone())
    network.change(changes)
    return network


def aliases(network: nn.Module) -> dict[str, str]:
    """Names in a state under which a parameter occurs again, each with its first name."""
    if not isinstance(network, WrappedModule):
        return {}
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            found[name] = first[id(parameter)]
    return found


def _resize(layer: Layer, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    """Replace a layer's parameters by ones of another size, and adjust its numbers of inputs and outputs."""
    layer.weight = nn.Parameter(weight.clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone())
    n_outputs, n_inputs = weight.shape[:2]
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = n_outputs, n_inputs
    else:
        layer.out_channels, layer.in_channels = n_outputs, n_inputs * layer.groups
