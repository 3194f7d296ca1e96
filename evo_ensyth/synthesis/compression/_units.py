"""What the units of a network, neurons and filters, output: means over samples and positions."""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.devices import CPU, has_float64
from evo_ensyth.synthesis.inspection.units import Units, find_units
from evo_ensyth.synthesis.network import Network, weighted_layers
from evo_ensyth.synthesis.trees import moved

SAMPLES_AT_ONCE = 500


def unit_means(
    network: Network,
    data: Split,
    units: Units,
    of: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Mean, over samples and positions, of a function of each unit's output where it is watched, see `Units.taps`.

    Parameters
    ----------
    network : Network
    data : Split
    units : Units
    of : callable
        Applied to a tensor of outputs, entry by entry.
    device : torch.device
        One without float64 is not used.

    Returns
    -------
    float64, (n_sets,), for each group
        Of units that go together, and of a unit that is read by several layers, the mean.
    """
    device = device if has_float64(device) else CPU
    network = network if device == CPU else copy.deepcopy(network).to(device)
    sums = [torch.zeros(len(tap.sets), dtype=torch.float64, device=device) for tap in units.taps]

    def count(place: int, output: torch.Tensor) -> None:
        channels = output.movedim(units.taps[place].axis, 1)
        positions = channels.flatten(2) if channels.ndim > 2 else channels[:, :, None]
        sums[place] += of(positions).double().mean(dim=2).sum(dim=0)

    with ExitStack() as stack, torch.inference_mode():
        for place, tap in enumerate(units.taps):
            module = network.get_submodule(tap.module)
            if tap.is_input:
                hook = module.register_forward_pre_hook(lambda _, given, place=place: count(place, given[0]))
            else:
                hook = module.register_forward_hook(lambda _, __, output, place=place: count(place, output))
            stack.callback(hook.remove)
        for start in range(0, len(data), SAMPLES_AT_ONCE):
            network(network.prepare(moved(data.stored(slice(start, start + SAMPLES_AT_ONCE)), device)))
    means = [(total / len(data)).cpu().numpy() for total in sums]
    return {name: _of_sets(means, units, sets) for name, sets in units.groups.items()}


def _of_sets(means: Sequence[np.ndarray], units: Units, sets: np.ndarray) -> np.ndarray:
    """Mean of each of some sets over all channels where it is watched."""
    size = 1 + max(int(tap.sets.max(initial=0)) for tap in units.taps)
    totals, counts = np.zeros(size), np.zeros(size)
    for mean, tap in zip(means, units.taps, strict=True):
        watched = tap.sets >= 0
        np.add.at(totals, tap.sets[watched], mean[watched])
        np.add.at(counts, tap.sets[watched], 1)
    means_of_sets: np.ndarray = totals[sets] / counts[sets]
    return means_of_sets


def units_of_layers(parent: Network, named: Sequence[str] | None) -> Units:
    """Units that may be removed from the named layers, and from those with which they go together; by default all.

    Raises
    ------
    InputError
        A name is not that of a layer with units that can be removed, or there is none.
    """
    units = find_units(parent)
    group_of = {layer: group for group in units.groups for layer in units.layers(group)}
    if not group_of:
        reasons = "; ".join(f"'{name}': {reason}" for name, reason in units.left.items())
        raise InputError(f"the parent has no units that can be removed: {reasons or 'it has one layer'}.")
    for name in named or ():
        if name not in group_of:
            reason = f": {units.left[name]}" if name in units.left else ""
            raise InputError(
                f"layers names '{name}'{reason}; layers of the parent from which units can be removed are "
                f"{', '.join(group_of)}."
            )
    groups = units.groups if named is None else {group_of[name]: units.groups[group_of[name]] for name in named}
    return replace(units, groups=groups)


def unit_report(network: Network, units: Units) -> dict[str, object]:
    """Numbers of units of layers from which units may be removed, and why others keep theirs; plain JSON values."""
    counts = {layer: n_units(network, layer) for group in units.groups for layer in units.layers(group)}
    return {"units": counts, "left": dict(units.left)} if units.left else {"units": counts}


def n_units(network: Network, name: str) -> int:
    """Count the neurons or filters of a layer."""
    return len(weighted_layers(network)[name].weight)
