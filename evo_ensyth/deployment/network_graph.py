"""Graphs of this package's networks, written layer by layer: preparation of images, layers, logits."""

from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

from evo_ensyth.deployment.graph import GraphTape
from evo_ensyth.deployment.stored_weights import Weights
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.network import Network, PaddedCrop, Scaled, SequentialNetwork, StandardisedCrop


class UnknownLayerError(Exception):
    """A layer, or a preparation of images, for which there are no nodes here."""


def add_network(tape: GraphTape, images: ir.Value, how: str, *, network: Network, last: str | None = None) -> ir.Value:
    """Add the nodes of a network; return its logits, float32 (n_samples, n_classes).

    Parameters
    ----------
    tape : GraphTape
    images : Value
        As stored: uint8, (n_samples, channels, height, width).
    how : str
        How weights are stored; see `stored_weights`.
    network : Network
    last : str, optional
        The convolutional or dense layer to end with; what follows it up to the next one is added too.

    Raises
    ------
    UnknownLayerError
        The network is no row of layers, or has a layer that those of this package do not have.
    """
    if not isinstance(network, SequentialNetwork):
        raise UnknownLayerError(f"the order of layers of a {type(network).__name__}")
    values = add_preparation(tape, images, preparation=network.preparation)
    ended = False
    for name, module in network.named_children():
        if ended and isinstance(module, nn.Conv2d | nn.Linear):
            break
        ended = ended or name == last
        values = _layer(tape, name, module, values, how)
    return values


def add_preparation(tape: GraphTape, images: ir.Value, *, preparation: Any) -> ir.Value:
    """Add the nodes that prepare stored images; errors as for `add_network`."""
    floats = tape.op("Cast", [images], {"to": ir.DataType.FLOAT})
    if type(preparation) is Scaled:
        return tape.op("Div", [floats, tape.constant(np.float32(preparation.largest))])
    if type(preparation) is PaddedCrop:
        scaled = tape.op("Div", [floats, tape.constant(np.float32(255))])
        mean, sd = (np.array(each, np.float32)[:, None, None] for each in (preparation.mean, preparation.sd))
        return tape.op("Div", [tape.op("Sub", [scaled, tape.constant(mean)]), tape.constant(sd)])
    if type(preparation) is not StandardisedCrop:
        raise UnknownLayerError(f"the preparation {type(preparation).__name__}")
    _, height, width = preparation.shape
    assert images.shape is not None
    rows, columns = (side for side in images.shape[2:] if isinstance(side, int))
    top, left = (rows - height) // 2, (columns - width) // 2
    starts, ends = np.array([top, left]), np.array([top + height, left + width])
    cut = tape.op("Slice", [floats, *(tape.constant(values) for values in (starts, ends, np.array([2, 3])))])
    axes = tape.constant(np.array([2, 3]))
    centred = tape.op("Sub", [cut, tape.op("ReduceMean", [cut, axes])])
    variance = tape.op("ReduceMean", [tape.op("Mul", [centred, centred]), axes])
    least = tape.constant(np.float32((height * width) ** -0.5))
    return tape.op("Div", [centred, tape.op("Max", [tape.op("Sqrt", [variance]), least])])


def _layer(tape: GraphTape, name: str, module: nn.Module, values: ir.Value, how: str) -> ir.Value:
    if isinstance(module, nn.Dropout | nn.Identity):
        return values
    if isinstance(module, nn.ReLU):
        return tape.op("Relu", [values])
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
        return tape.op("Flatten", [values], {"axis": 1})
    if isinstance(module, nn.MaxPool2d) and not module.return_indices:
        return tape.op("MaxPool", [values], _windows(module, module.kernel_size) | {"ceil_mode": int(module.ceil_mode)})
    if isinstance(module, nn.LocalResponseNorm) and module.size % 2:
        settings = {"size": module.size, "alpha": module.alpha, "beta": module.beta, "bias": module.k}
        return tape.op("LRN", [values], settings)
    if isinstance(module, nn.BatchNorm2d) and module.track_running_stats and module.affine:
        learned = (module.weight, module.bias, module.running_mean, module.running_var)
        names = ("weight", "bias", "mean", "variance")
        arrays = [
            tape.constant(_array(tensor), f"{name}.{each}")
            for each, tensor in zip(names, learned, strict=True)
            if tensor is not None
        ]
        return tape.op("BatchNormalization", [values, *arrays], {"epsilon": module.eps})
    if isinstance(module, nn.Linear):
        return tape.op("Gemm", [values, *_parameters(tape, name, module, how)], {"transB": 1})
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        settings = _windows(module, module.kernel_size) | {"group": module.groups}
        return tape.op("Conv", [values, *_parameters(tape, name, module, how)], settings)
    raise UnknownLayerError(f"the layer '{name}', {type(module).__name__}")


def _windows(module: nn.Conv2d | nn.MaxPool2d, sides: Any) -> dict[str, Any]:
    pads, strides, dilations = _pair(module.padding), _pair(module.stride), _pair(module.dilation)
    return {"kernel_shape": _pair(sides), "strides": strides, "pads": pads + pads, "dilations": dilations}


def _pair(value: Any) -> list[int]:
    return [int(side) for side in value] if isinstance(value, tuple | list) else [int(value)] * 2


def _parameters(tape: GraphTape, name: str, layer: nn.Conv2d | nn.Linear, how: str) -> list[ir.Value]:
    """Weights and, where there is one, the bias."""
    bits = quantised_bits(layer)
    step = None if bits is None else _array(layer.get_buffer("step"))
    weights = Weights(_array(layer.weight), step, bits or 32)
    found = [weights.add_to(tape, name, how)]
    return found if layer.bias is None else [*found, tape.constant(_array(layer.bias), f"{name}.bias")]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()
