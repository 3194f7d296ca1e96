"""Which layers Net-Trim prunes, and the inputs that they see, as rows of their programs."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.network import Layer, weighted_layers

IMAGES_AT_ONCE = 500
MOST_ROWS = 20_000  # of a convolution's program; every position of 5,000 images would be up to 4 million


def pruned_layers(parent: nn.Module, wanted: tuple[str, ...] | None) -> list[str]:
    """Names of the layers to prune, in order; by default all dense ones.

    Raises
    ------
    InputError
        A name is not that of a layer, or there is no layer to prune.
    """
    layers = weighted_layers(parent)
    for name in wanted or ():
        if name not in layers:
            raise InputError(f"layers names '{name}'; the parent's layers are {', '.join(layers)}.")
    dense = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    names = [name for name in layers if name in (dense if wanted is None else wanted)]
    if not names:
        raise InputError("the parent has no dense layer; name the convolutions to prune.")
    return names


def layer_inputs(network: nn.Module, images: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Inputs of layers as float64, (n_rows, n_inputs), with a column of ones where a layer has a bias.

    A dense layer has one row for every image, a convolution one for every position drawn, the same in each call.
    """
    layers = weighted_layers(network)
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    rngs = {name: torch.Generator().manual_seed(0) for name in names}
    positions = max(1, MOST_ROWS // len(images))

    def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda layer, inputs: seen[name].append(
            unfolded(inputs[0], layer, positions, rngs[name]) if isinstance(layer, nn.Conv2d) else inputs[0]
        )

    hooks = [layers[name].register_forward_pre_hook(keep(name)) for name in names]
    try:
        with torch.inference_mode():
            for batch in torch.split(images, IMAGES_AT_ONCE):
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _with_ones(torch.cat(seen[name]).double(), layers[name]) for name in names}


def unfolded(images: torch.Tensor, layer: nn.Conv2d, most: int, rng: torch.Generator) -> torch.Tensor:
    """Patches that the filters of a convolution see, one row for each position, so that it is ``rows @ filters``.

    Parameters
    ----------
    images : (n_images, channels, height, width)
    layer : Conv2d
        With one group, padded with zeros.
    most : int
        Positions per image; of images with more, this many are drawn.
    rng : Generator

    Returns
    -------
    (n_images * n_positions, n_channels * height * width of a filter)
        The positions of an image in reading order, or in the order in which they were drawn.
    """
    assert layer.groups == 1
    assert layer.padding_mode == "zeros"
    assert not isinstance(layer.padding, str)
    windows = functional.unfold(images, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    rows = windows.transpose(1, 2)
    if rows.shape[1] > most:
        drawn = torch.rand(rows.shape[:2], generator=rng).argsort(dim=1, stable=True)[:, :most].to(rows.device)
        rows = rows.gather(1, drawn[:, :, None].expand(-1, -1, rows.shape[2]))
    return rows.flatten(0, 1)


def _with_ones(inputs: torch.Tensor, layer: Layer) -> torch.Tensor:
    return inputs if layer.bias is None else torch.cat([inputs, inputs.new_ones((len(inputs), 1))], dim=1)
