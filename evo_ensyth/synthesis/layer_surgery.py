"""Layer surgery: marking layers as quantised, and loading weights of layers of any width, quantised or not.

A quantised layer stores its weights as float32 numbers, and two buffers from which they follow: ``step``, (n_outputs,),
and ``bits``. Every weight is an integer multiple of the step of its output, the integer being at most
2^(bits - 1) - 1 in magnitude. So a file of weights determines the shape and the quantisation of its network.
"""

import copy
from collections.abc import Mapping

import torch
from safetensors.torch import save
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.network import Layer, Network, weighted_layers


def as_safetensors(network: nn.Module) -> bytes:
    """Weights as a safetensors file. Views are copied: a method may leave transposed or shared tensors."""
    return save({name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()})


def with_state(network: Network, state: Mapping[str, torch.Tensor]) -> Network:
    """Return a copy of a network with other weights, resized and marked as quantised as these require.

    Parameters
    ----------
    network : Network
        With the same layers, of any width.
    state : mapping of str to tensor
        As returned by ``state_dict``.
    """
    network = copy.deepcopy(network)
    for name, layer in weighted_layers(network).items():
        _resize(layer, state[f"{name}.weight"], state.get(f"{name}.bias"))
        if f"{name}.step" in state:
            mark_quantised(layer, state[f"{name}.step"], int(state[f"{name}.bits"]))
    network.load_state_dict(state)
    return network


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
    codes = layer.get_parameter("weight").detach().flatten(1) / layer.get_buffer("step")[:, None]
    if (codes != codes.round()).any() or (codes.abs() > 2 ** (bits - 1) - 1).any():
        raise InputError(f"a layer marked as quantised to {bits} bits holds other weights; quantise after all else.")
    return bits


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
