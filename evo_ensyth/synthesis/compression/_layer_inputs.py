"""Which layers Net-Trim prunes, in what form, and the inputs that they see, as rows of their programs."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.inspection.layers import BATCH_NORMS, LayerUse, layer_uses
from evo_ensyth.synthesis.inspection.operations import record
from evo_ensyth.synthesis.network import Layer, weighted_layers
from evo_ensyth.synthesis.trees import Tree, n_samples, taken

SAMPLES_AT_ONCE = 500
MOST_ROWS = 20_000  # of a convolution's program; every position of 5,000 images would be up to 4 million


@dataclass(frozen=True)
class LayerForm:
    """A layer as its program sees it: a matrix, with the batch normalisation behind it folded in.

    Attributes
    ----------
    layer : Layer
    norm : Module, optional
        The batch normalisation that alone reads the layer.
    relu : bool
        Whether a ReLU alone reads the result, so that only its positive part matters.
    """

    layer: Layer
    norm: nn.Module | None
    relu: bool

    @property
    def has_shift(self) -> bool:
        """Whether something is added to each output."""
        return self.norm is not None or self.layer.bias is not None

    @torch.no_grad()
    def matrix(self) -> torch.Tensor:
        """Weights of the program: float64, (n_inputs + 1, n_neurons), the shift last if there is one."""
        weights = self.layer.weight.flatten(1).T
        if self.norm is None:
            return (weights if self.layer.bias is None else torch.cat([weights, self.layer.bias[None]])).double()
        scale, centre = self._folded()
        shift = self.norm.get_parameter("bias").double() - centre * scale
        return torch.cat([weights.double() * scale, shift[None]])

    @torch.no_grad()
    def write(self, matrix: torch.Tensor) -> None:
        """Set the layer's weights to those of a matrix; a batch normalisation takes over the shift."""
        n_inputs = self.layer.weight[0].numel()
        weights = matrix[:n_inputs]
        if self.norm is not None:
            scale, centre = self._folded()
            weights = torch.where(scale == 0, 0, weights.double() / scale)
            self.norm.get_parameter("bias").copy_(matrix[-1].double() + centre * scale)
        elif self.layer.bias is not None:
            self.layer.bias.copy_(matrix[-1])
        self.layer.weight.copy_(weights.T.reshape(self.layer.weight.shape))

    def _folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Factor by which the batch normalisation scales outputs of the layer without bias, and what it takes off."""
        assert isinstance(self.norm, BATCH_NORMS)
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        scale = self.norm.weight.double() / (self.norm.running_var.double() + self.norm.eps).sqrt()
        bias = 0.0 if self.layer.bias is None else self.layer.bias.double()
        return scale, self.norm.running_mean.double() - bias


def pruned_layers(
    parent: nn.Module, sample: Tree, wanted: tuple[str, ...] | None, *, convolutions: bool = False
) -> tuple[dict[str, LayerUse], dict[str, str]]:
    """Layers to prune, in the order of computation, and the reasons why others are left alone.

    Parameters
    ----------
    parent : Module
    sample : tree of tensors
        Inputs of one sample.
    wanted : tuple of str, optional
        By default all dense layers.
    convolutions : bool
        Whether by default convolutions are among them.

    Raises
    ------
    InputError
        A name is not that of a layer that can be pruned, or there is no layer to prune.
    """
    layers, uses = weighted_layers(parent), layer_uses(parent, record(parent, sample))
    for name in wanted or ():
        if name not in layers:
            raise InputError(f"layers names '{name}'; the parent's layers are {', '.join(layers)}.")
        if reason := _why_not(layers[name], uses[name]):
            raise InputError(f"layers names '{name}', which cannot be pruned: {reason}.")
    asked = [name for name in uses if convolutions or isinstance(layers[name], nn.Linear)]
    asked = asked if wanted is None else [name for name in uses if name in wanted]
    if not asked:
        raise InputError("the parent has no dense layer; name the convolutions to prune.")
    left = {name: reason for name in asked if (reason := _why_not(layers[name], uses[name]))}
    if len(left) == len(asked):
        raise InputError(f"no layer can be pruned: {'; '.join(f'{name}: {reason}' for name, reason in left.items())}.")
    return {name: uses[name] for name in asked if name not in left}, left


def layer_forms(network: nn.Module, uses: Mapping[str, LayerUse]) -> dict[str, LayerForm]:
    """Layers of a network in the form of their programs, given how they are used."""
    layers = weighted_layers(network)
    return {
        name: LayerForm(layers[name], network.get_submodule(use.batch_norm) if use.batch_norm else None, use.relu)
        for name, use in uses.items()
    }


def layer_inputs(network: nn.Module, inputs: Tree, forms: Mapping[str, LayerForm]) -> dict[str, torch.Tensor]:
    """Inputs of layers as float64, (n_rows, n_inputs), with a column of ones where something is added to outputs.

    A dense layer has one row for every sample, or for every position that it is applied to, such as a token; a
    convolution one for every position. Of a sample with many positions, some are drawn, the same in each call.
    """
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in forms}
    rngs = {name: torch.Generator().manual_seed(0) for name in forms}
    count = n_samples(inputs)
    positions = max(1, MOST_ROWS // count)

    def keep(name: str) -> Callable[[Any, tuple[torch.Tensor, ...]], None]:
        # Copied, since something may be written to the inputs later.
        return lambda layer, given: seen[name].append(unfolded(given[0], layer, positions, rngs[name]).clone())

    with ExitStack() as stack, torch.inference_mode():
        for name, form in forms.items():
            stack.callback(form.layer.register_forward_pre_hook(keep(name)).remove)
        for start in range(0, count, SAMPLES_AT_ONCE):
            network(taken(inputs, slice(start, start + SAMPLES_AT_ONCE)))
    return {name: _with_ones(torch.cat(seen[name]).double(), form) for name, form in forms.items()}


def unfolded(inputs: torch.Tensor, layer: Layer, most: int, rng: torch.Generator) -> torch.Tensor:
    """What the neurons or filters of a layer see, one row for each position, so that outputs are ``rows @ weights``.

    Parameters
    ----------
    inputs : (n_samples, ..., n_inputs), or (n_images, channels, height, width), or (n_series, channels, length)
    layer : Linear, Conv2d or Conv1d
        With one group, padded with zeros.
    most : int
        Positions per sample; of samples with more, this many are drawn.
    rng : Generator

    Returns
    -------
    (n_samples * n_positions, n_inputs), or (n_samples * n_positions, n_channels * height * width of a filter)
        The positions of a sample in reading order, or in the order in which they were drawn.
    """
    if isinstance(layer, nn.Linear):
        if inputs.ndim == 2:
            return inputs
        rows = inputs.flatten(1, -2)
    else:
        assert layer.groups == 1
        assert layer.padding_mode == "zeros"
        assert not isinstance(layer.padding, str)
        windows = layer.kernel_size, layer.dilation, layer.padding, layer.stride
        if isinstance(layer, nn.Conv1d):  # as images of one line
            inputs = inputs[:, :, None]
            windows = (1, *windows[0]), (1, *windows[1]), (0, *windows[2]), (1, *windows[3])
        rows = functional.unfold(inputs, *windows).transpose(1, 2)
    if rows.shape[1] > most:
        drawn = torch.rand(rows.shape[:2], generator=rng).argsort(dim=1, stable=True)[:, :most].to(rows.device)
        rows = rows.gather(1, drawn[:, :, None].expand(-1, -1, rows.shape[2]))
    return rows.flatten(0, 1)


def _why_not(layer: Layer, use: LayerUse) -> str | None:
    """Why a layer has no program; as the end of a sentence."""
    if use.why_not is not None or isinstance(layer, nn.Linear):
        return use.why_not
    if isinstance(layer, nn.Conv3d):
        return "it has three dimensions"
    if layer.groups > 1:
        return "it has groups"
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return f"its padding is '{layer.padding if isinstance(layer.padding, str) else layer.padding_mode}'"
    return None


def _with_ones(inputs: torch.Tensor, form: LayerForm) -> torch.Tensor:
    return torch.cat([inputs, inputs.new_ones((len(inputs), 1))], dim=1) if form.has_shift else inputs
