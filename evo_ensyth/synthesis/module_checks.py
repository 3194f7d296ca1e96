"""What a user's module must be like: each way in which it is not is refused in one line that says what to do."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.nn.utils import parametrize

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.network import Network, weight_matrices
from evo_ensyth.synthesis.reproducibility import drawing
from evo_ensyth.synthesis.trees import Tree, leaves, mapped, n_samples, shapes, taken

CLOSE = 1e-3  # of the largest logit: by so much a sample's answer may depend on which others are in the batch
SUM_OF_ONE = 1e-4
WRAPPERS = {
    torch.jit.ScriptModule: "is scripted; give the plain module",
    nn.DataParallel: "is wrapped in DataParallel; give its .module, and wrap that in a fine_tune of your own",
    nn.parallel.DistributedDataParallel: "is wrapped for several processes; give its .module",
}


def check_module(module: Any) -> None:
    """Check what a module is made of.

    Raises
    ------
    InputError
        It cannot be compressed.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"the network is a {type(module).__name__}; expected a torch.nn.Module.")
    for name, part in module.named_modules():
        where = f"layer '{name}'" if name else f"the network {type(module).__name__}"
        for kind, refusal in WRAPPERS.items():
            if isinstance(part, kind):
                raise InputError(f"{where} {refusal}.")
        if name.rpartition(".")[2] == "_orig_mod" or "_orig_mod" in dict(part.named_children()):
            raise InputError(f"{where} is compiled; give the plain module, and compile it in a fine_tune of your own.")
        if "quantized" in type(part).__module__.split("."):
            raise InputError(f"{where} is quantised already; give the network with floats.")
        _check_hooks(where, part)
        for key, tensor in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
            _check_tensor(f"{where}: {key}", tensor, is_parameter=key in dict(part.named_parameters(recurse=False)))
    for key, value in module.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"the network keeps a {type(value).__name__} as '{key}'; its state must be tensors.")
    check_weights(module)
    if not any(map(weight_matrices, module.children())):
        what = type(module).__name__
        if weight_matrices(module):
            raise InputError(f"the network {what} is a single layer; put it into a torch.nn.Sequential.")
        raise InputError(f"the network {what} has no Linear, convolution, attention or recurrent layer to compress.")


def check_weights(module: nn.Module) -> None:
    """Check that all weights are finite.

    Raises
    ------
    InputError
        One is not.
    """
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(f"'{name}' of the network has values that are not finite; train it again.")


@torch.no_grad()
def check_answers(network: Network, stored: Tree, n_classes: int) -> None:
    """Check what a network answers to some samples, in evaluation mode.

    Parameters
    ----------
    network : Network
    stored : tree of tensors
        Two samples or more.
    n_classes : int

    Raises
    ------
    InputError
        It cannot take them, or its answers are no logits that depend on the sample alone.
    """
    inputs = _tried(lambda: network.prepare(stored), f"prepare() fails on samples of {shapes(stored)}")
    again = _tried(lambda: network.prepare(stored), "prepare() fails the second time")
    if shapes(again) != shapes(inputs) or not all(map(torch.equal, leaves(again), leaves(inputs))):
        raise InputError("prepare() gives other inputs the second time; what varies samples at random is augment=.")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    logits = _answer(network, inputs, "give prepare= or forward=")
    _check_logits(logits, n_samples(inputs), n_classes)
    if not torch.equal(_answer(network, inputs, "it did not the first time"), logits):
        raise InputError(
            "forward() answers otherwise the second time, in evaluation mode; it must not draw at random or count."
        )
    for name, tensor in network.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise InputError(f"forward() changes '{name}' in evaluation mode; it must not keep a state.")
    for place in range(n_samples(inputs)):
        sample = taken(inputs, slice(place, place + 1))
        alone = _answer(network, sample, "expected an answer to a single sample")
        if alone.shape != (1, n_classes) or (alone[0] - logits[place]).abs().max() > CLOSE * logits.abs().max():
            raise InputError(
                "what forward() answers to a sample depends on the others in its batch; in evaluation mode it must not."
            )
    with drawing(0):
        augmented = _tried(lambda: network.augment(stored, torch.Generator()), "augment() fails")
        _answer(network, augmented, "as augment() makes them")


def _answer(network: Network, inputs: Tree, advice: str) -> torch.Tensor:
    copies = mapped(torch.clone, inputs)  # A module may work in place.
    answer: torch.Tensor = _tried(lambda: network(copies), f"forward() fails on inputs of {shapes(inputs)}", advice)
    return answer


def _check_logits(logits: torch.Tensor, n_samples: int, n_classes: int) -> None:
    shape = tuple(logits.shape)
    if logits.ndim != 2 or len(logits) != n_samples:
        raise InputError(
            f"forward() answers {shape} to {n_samples} samples; expected logits, ({n_samples}, {n_classes})."
        )
    if not logits.is_floating_point():
        raise InputError(f"forward() answers {shapes(logits)}; expected floats.")
    if shape[1] == 1:
        raise InputError(
            "forward() answers 1 number for a sample; expected a logit for each class. For two classes give "
            "forward=lambda module, inputs: torch.nn.functional.pad(module(inputs), (1, 0))."
        )
    if shape[1] != n_classes:
        raise InputError(f"forward() answers {shape[1]} logits; the data have {n_classes} classes.")
    if not torch.isfinite(logits).all():
        raise InputError("forward() answers numbers that are not finite.")
    if (logits >= 0).all() and ((logits.sum(dim=1) - 1).abs() < SUM_OF_ONE).all():
        raise InputError(
            "forward() answers probabilities; expected logits. Leave the softmax out, or give their log() by forward=."
        )


def _check_hooks(where: str, part: nn.Module) -> None:
    """Refuse layers whose weights are computed anew in every call."""
    if parametrize.is_parametrized(part):
        names = ", ".join(part.parametrizations)  # type: ignore[arg-type]
        raise InputError(f"{where} has a parametrised {names}; take that off in build(), after the weights are there.")
    for hook in part._forward_pre_hooks.values():
        if type(hook).__module__.startswith("torch.nn.utils."):
            raise InputError(
                f"{where} has {type(hook).__name__}; take that off in build(), after the weights are there."
            )


def _check_tensor(where: str, tensor: torch.Tensor, *, is_parameter: bool) -> None:
    if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
        raise InputError(f"{where} has no shape yet; call the module once in build().")
    if tensor.is_complex():
        raise InputError(f"{where} is complex; expected real numbers.")
    if tensor.device.type == "meta":
        raise InputError(f"{where} is on the device 'meta', without values; build the module on the CPU.")
    if tensor.is_quantized or (is_parameter and not tensor.is_floating_point()):
        raise InputError(f"{where} has type {str(tensor.dtype).removeprefix('torch.')}; give the network with floats.")
    if type(tensor.data) is not torch.Tensor:
        raise InputError(f"{where} is a {type(tensor.data).__name__}; expected plain tensors.")


def _tried(do: Callable[[], Any], what: str, advice: str = "") -> Any:
    try:
        return do()
    except InputError:
        raise
    except Exception as error:  # a user's function may raise anything
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(f"{what}: {type(error).__name__}: {first}{'; ' if advice else ''}{advice}.") from error
