"""Removing units: a smaller network, believed if it answers as the larger one does when nobody sees these units."""

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.inspection.layers import unit_axis
from evo_ensyth.synthesis.inspection.operations import plain_attention
from evo_ensyth.synthesis.inspection.units import Units, said, watched
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.trees import mapped

TOLERANCE = 1e-3  # of the largest logit; sums are taken in another order
SMALLEST = 1e-6  # below which a logit is rounding


def keep_units(network: Network, units: Units, kept: Mapping[str, np.ndarray]) -> tuple[Network, Units]:
    """Return a copy of a network without some units, and without the weights that read them.

    Parameters
    ----------
    network : Network
    units : Units
        Of this network.
    kept : mapping of str to bool, (n_sets,)
        For some groups, which of their sets stay.

    Returns
    -------
    smaller : Network
        It computes as if what reads the removed units saw zeros.
    units : Units
        That remain. Groups of which nothing could be removed are no longer among them, but, with the reason, among the
        layers that are left alone.

    Raises
    ------
    InputError
        Nothing could be removed.
    """
    gone = {name: units.groups[name][~mask] for name, mask in kept.items() if not mask.all()}
    removed = np.concatenate([*gone.values(), np.zeros(0, np.int64)])
    if not units.is_known and _differs(network, units, removed):
        removed, refused = np.zeros(0, np.int64), dict[str, str]()
        for name, sets in gone.items():
            why = _differs(network, units, np.concatenate([removed, sets]))
            if why is None:
                removed = np.concatenate([removed, sets])
            else:
                refused |= dict.fromkeys(units.layers(name), why)
        groups = {name: sets for name, sets in units.groups.items() if not refused.keys() & set(units.layers(name))}
        if not len(removed):
            raise InputError(f"no unit can be removed: {next(iter(refused.values()))}.")
        units = replace(units, groups=groups, left={**units.left, **refused})
    return _without(network, units, removed), units.without(removed)


def _without(network: Network, units: Units, removed: np.ndarray) -> Network:
    network = copy.deepcopy(network)
    for name, sets in units.inputs.items():
        _cut(network.get_submodule(name), 1, ~np.isin(sets, removed))
    for part in (units.outputs, units.channels):
        for name, sets in part.items():
            _cut(network.get_submodule(name), 0, ~np.isin(sets, removed))
    return network


def _differs(network: Network, units: Units, removed: np.ndarray) -> str | None:
    """Say how a network without these sets differs from one whose readers see zeros in their place, if it does."""
    inputs = mapped(_telling, network.example())
    try:
        with torch.no_grad(), plain_attention():
            found = _without(network, units, removed)(inputs)
            with ExitStack() as stack:
                for name, sets in units.inputs.items():
                    module = network.get_submodule(name)
                    stack.enter_context(watched(module, _Zeros(np.isin(sets, removed), module)))
                wanted = network(inputs)
    except Exception as error:  # whatever a user's forward() does with fewer units
        return f"without some of its units the network fails ({said(error)})"
    size = float(wanted.abs().max())
    if found.shape != wanted.shape or not float((found - wanted).abs().max()) <= TOLERANCE * max(size, SMALLEST):
        return "without some of its units the network does not answer as if they were zero"
    return None


def _telling(values: torch.Tensor) -> torch.Tensor:
    """Return numbers that differ: to a black image, an untrained network answers zeros whatever its units."""
    if not values.is_floating_point() or values.numel() < 2 or (values != values.flatten()[0]).any():
        return values
    return torch.rand(values.shape, generator=torch.Generator().manual_seed(0))


class _Zeros:
    """Sets some inputs of a layer to zero."""

    def __init__(self, mask: np.ndarray, module: nn.Module) -> None:
        self._mask, self._axis = torch.from_numpy(mask), unit_axis(module)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        shape = [1] * values.ndim
        shape[self._axis] = len(self._mask)
        return values.masked_fill(self._mask.view(shape), 0.0)


def _cut(module: nn.Module, axis: int, mask: np.ndarray) -> None:
    """Keep some entries of an axis of a module's parameters and buffers, and adjust the attributes that count them."""
    if mask.all():
        return
    places, before = torch.from_numpy(np.flatnonzero(mask)), len(mask)
    for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
        if tensor.ndim > axis and tensor.shape[axis] == before:
            cut = tensor.detach().index_select(axis, places)
            setattr(module, name, nn.Parameter(cut, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else cut)
    for name in _counted(module, axis):
        if getattr(module, name, None) == before:
            setattr(module, name, len(places))


def _counted(module: nn.Module, axis: int) -> tuple[str, ...]:
    """Attributes that count the entries of an axis."""
    if axis == 1:
        return ("in_features", "in_channels")
    depthwise = ("in_channels", "groups") if getattr(module, "groups", 1) > 1 else ()
    return ("out_features", "out_channels", "num_features", "num_parameters", *depthwise)
