"""Which neurons and filters of a network can be removed, and what has to go with each of them.

A unit's output is made NaN; the layers whose inputs turn NaN read it, and each input that does so depends on it. With n
units, 2 log2(n) forward passes tell them all apart: in pass (b, v), those whose bit b is v are NaN. Layers that read
stop the NaN, so that only direct readers see it. What cannot be told apart, such as inputs that depend on several
units, is left alone.

Units whose outputs are added, as around a residual connection, are read by the same inputs and go together: a set.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from evo_ensyth.synthesis.inspection.layers import is_depthwise, layer_uses, unit_axis
from evo_ensyth.synthesis.inspection.operations import Record, plain_attention, record
from evo_ensyth.synthesis.network import Network, SequentialNetwork, weighted_layers

CHANNELWISE = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
ANSWER = ""  # stands for the network as the reader of its own answer
STAYS = -1

Sets = Mapping[str, np.ndarray]
"""Numbers of sets, int64, for each output, input or channel of some modules; `STAYS` for what is in none."""


@dataclass(frozen=True)
class Tap:
    """Where outputs of units can be watched: inputs or outputs of a module, and the set of each, (n_channels,)."""

    module: str
    is_input: bool
    axis: int
    sets: np.ndarray


@dataclass(frozen=True)
class Units:
    """Sets of units that can be removed.

    Attributes
    ----------
    outputs, inputs, channels : Sets
        Sets to which the outputs of a layer belong; those that its inputs read; and those that pass through a module
        channel by channel, such as a batch normalisation.
    groups : mapping of str to int64, (n_sets,)
        Sets of the same layers, which are ranked together; called by the first of these layers.
    taps : tuple of Tap
    left : mapping of str to str
        Layers that keep all of their units, each with the reason.
    is_known : bool
        Whether it follows from the network's class; otherwise a removal must be checked.
    """

    outputs: Sets
    inputs: Sets
    channels: Sets
    groups: Mapping[str, np.ndarray]
    taps: tuple[Tap, ...]
    left: Mapping[str, str]
    is_known: bool = False

    def layers(self, group: str) -> tuple[str, ...]:
        """Layers to which the units of a group belong."""
        return tuple(name for name, sets in self.outputs.items() if np.isin(sets, self.groups[group]).any())

    def without(self, removed: np.ndarray) -> "Units":
        """Sets that remain, by the numbers that they have, when those of the given numbers are removed."""

        def rest(part: Sets) -> Sets:
            return {name: sets[~np.isin(sets, removed)] for name, sets in part.items()}

        taps = tuple(replace(tap, sets=tap.sets[~np.isin(tap.sets, removed)]) for tap in self.taps)
        outputs, inputs, channels, groups = map(rest, (self.outputs, self.inputs, self.channels, self.groups))
        return replace(self, outputs=outputs, inputs=inputs, channels=channels, groups=groups, taps=taps)


def find_units(network: Network) -> Units:
    """Find what can be removed from a network in evaluation mode."""
    return _in_a_row(network) if _is_plain_row(network) else _by_evidence(network)


def _is_plain_row(network: Network) -> bool:
    """Whether a network is one of this package's rows of layers, in which nothing else has weights."""
    n_weighted = sum(len(list(layer.parameters())) for layer in weighted_layers(network).values())
    return isinstance(network, SequentialNetwork) and len(list(network.parameters())) == n_weighted


def _in_a_row(network: Network) -> Units:
    """Units of layers in a row: the next layer reads them, and what lies between leaves them apart, or is taken to."""
    layers, outputs, inputs, taps, first = weighted_layers(network), {}, {}, [], 0
    modules = list(network.named_children())
    behind = {name: follower for (name, _), (follower, _) in pairwise(modules)}
    for (name, layer), (reader, next_layer) in pairwise(layers.items()):
        outputs[name] = np.arange(first, first + len(layer.weight))
        # Behind a flattening, each filter feeds as many consecutive inputs as its map has positions.
        inputs[reader] = outputs[name].repeat(next_layer.weight.shape[1] // len(layer.weight))
        taps.append(Tap(behind[name], False, 1, outputs[name]))
        first += len(layer.weight)
    return Units(outputs, inputs, {}, dict(outputs), tuple(taps), {}, is_known=True)


def _by_evidence(network: Network) -> Units:
    evidence = _Evidence(network, record(network, network.example()))
    with torch.no_grad(), plain_attention():
        for name in evidence.candidates:
            evidence.probe(name)
    return evidence.units()


class _Evidence:
    """Collects which inputs and channels depend on which units."""

    def __init__(self, network: Network, seen: Record) -> None:
        self.network, self.layers, self.left = network, weighted_layers(network), dict[str, str]()
        self.fixed: dict[str, str] = {}  # layers whose weights cannot be cut
        for name, use in layer_uses(network, seen).items():
            if use.why_not is not None:
                self.fixed[name] = use.why_not
            elif getattr(self.layers[name], "groups", 1) > 1 and not is_depthwise(self.layers[name]):
                self.fixed[name] = "it has groups"
        self.channelwise = {
            name: 1 if isinstance(module, (*CHANNELWISE, nn.PReLU)) else unit_axis(module)
            for name, module in network.named_modules()
            if isinstance(module, CHANNELWISE)
            or (isinstance(module, nn.PReLU) and module.num_parameters > 1)
            or (is_depthwise(module) and name not in self.fixed)
        }
        self.candidates = [name for name in self.layers if name not in self.fixed and name not in self.channelwise]
        sizes = [len(self.layers[name].weight) for name in self.candidates]
        self.first = dict(zip(self.candidates, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self.sets = _Partition(sum(sizes))
        self.read: dict[str, dict[int, int]] = {}  # for modules: of an input or channel, one unit that it depends on
        self.is_left = np.zeros(sum(sizes), dtype=bool)

    def probe(self, name: str) -> None:
        """Find out where the units of a layer are read."""
        n_units = len(self.layers[name].weight)
        units = np.arange(n_units)
        bits = [(units >> bit & 1).astype(bool) for bit in range(max(1, int(n_units - 1).bit_length()))]
        try:
            passes = [[self._marked(name, bit == value) for value in (False, True)] for bit in bits]
        except Exception as error:  # whatever a user's forward() does with NaN
            self._leave(name, units, f"it cannot be probed ({said(error)})")
            return
        for place in passes[0][0]:
            marked = np.array([[found[place] for found in values] for values in passes])  # (n_bits, 2, n_inputs)
            one = (marked[:, 0] ^ marked[:, 1]).all(axis=0)
            owner = sum(
                (marked[bit, 1].astype(np.int64) << bit for bit in range(len(bits))), np.zeros(len(one), np.int64)
            )
            one &= owner < n_units
            for entry in np.flatnonzero(one):
                self._note(name, int(owner[entry]), place, int(entry))
            for entry in np.flatnonzero(marked.any(axis=(0, 1)) & ~one):
                possible = np.all([marked[bit, mask.astype(int), entry] for bit, mask in enumerate(bits)], axis=0)
                whom = units[possible] if possible.any() else units
                self._leave(name, whom, "its outputs are mixed" if place != ANSWER else "it gives the answer")

    def _marked(self, name: str, mask: np.ndarray) -> dict[str, np.ndarray]:
        """Which inputs, channels and answers are NaN when the marked units of a layer are."""
        sizes = {place: _n_channels(self.network.get_submodule(place)) for place in (*self.layers, *self.channelwise)}
        found = {place: np.zeros(size, dtype=bool) for place, size in sizes.items()}

        def mark(layer: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
            shape = [1] * output.ndim
            shape[unit_axis(layer)] = len(mask)
            return output.masked_fill(torch.from_numpy(mask).view(shape), torch.nan)

        def watch(place: str, axis: int, stops: bool, value: torch.Tensor) -> torch.Tensor:
            holes = value.isnan()
            if not holes.any():
                return value
            found[place] |= holes.movedim(axis, 0).flatten(1).any(dim=1).numpy()
            return value.masked_fill(holes, 0.0) if stops else value

        with ExitStack() as stack:
            for place, module in self.network.named_modules():
                if place in self.channelwise:
                    stack.enter_context(
                        watched(module, lambda value, at=place: watch(at, self.channelwise[at], False, value))
                    )
                elif place in self.layers:
                    axis = unit_axis(module)
                    stack.enter_context(
                        watched(module, lambda value, at=place, axis=axis: watch(at, axis, True, value))
                    )
            stack.callback(self.layers[name].register_forward_hook(mark).remove)
            answer = self.network(self.network.example())
        found[ANSWER] = answer.isnan().flatten(0, -2).any(dim=0).numpy()
        return found

    def _note(self, name: str, unit: int, place: str, entry: int) -> None:
        if place == ANSWER:
            self._leave(name, [unit], "it gives the answer")
        elif place in self.fixed:
            self._leave(name, [unit], f"'{place}' reads it, and {self.fixed[place]}")
        else:
            element = self.first[name] + unit
            known = self.read.setdefault(place, {}).setdefault(entry, element)
            self.sets.join(known, element)

    def _leave(self, name: str, units: Iterable[int], reason: str) -> None:
        for unit in units:
            self.is_left[self.first[name] + unit] = True
        self.left.setdefault(name, reason)

    def units(self) -> Units:
        """Return the sets that can be removed."""
        roots = self.sets.roots()
        is_read = np.zeros(len(roots), dtype=bool)
        for place, entries in self.read.items():
            if place in self.layers and place not in self.channelwise:
                is_read[roots[list(entries.values())]] = True
        stays = np.zeros(len(roots), dtype=bool)
        stays[roots[self.is_left]] = True
        free = is_read[roots] & ~stays[roots]
        numbers = np.full(len(roots), STAYS, dtype=np.int64)
        _, first, inverse = np.unique(roots[free], return_index=True, return_inverse=True)
        numbers[free] = first.argsort().argsort()[inverse]  # in the order of layers and of their units
        outputs = {name: numbers[begin : begin + len(self.layers[name].weight)] for name, begin in self.first.items()}
        readers: dict[str, np.ndarray] = {}
        for place, entries in self.read.items():
            readers[place] = np.full(_n_channels(self.network.get_submodule(place)), STAYS, dtype=np.int64)
            readers[place][list(entries)] = numbers[list(entries.values())]
        readers = {place: sets for place, sets in readers.items() if (sets != STAYS).any()}
        channels = {place: sets for place, sets in readers.items() if place in self.channelwise}
        inputs = {place: sets for place, sets in readers.items() if place not in channels}
        left = dict(self.fixed)
        for name, sets in outputs.items():
            if (sets == STAYS).all():
                left[name] = self.left.get(name, "units that go with its own stay, or nothing reads it")
        outputs = {name: sets for name, sets in outputs.items() if (sets != STAYS).any()}
        taps = tuple(Tap(place, True, unit_axis(self.layers[place]), sets) for place, sets in inputs.items())
        return Units(outputs, inputs, channels, _groups(outputs), taps, left)


class _Partition:
    """Elements 0 to n - 1 in sets that grow together."""

    def __init__(self, size: int) -> None:
        self._above = np.arange(size)

    def join(self, one: int, other: int) -> None:
        """Make one set of those of two elements."""
        low, high = sorted((self._root(one), self._root(other)))
        self._above[high] = low

    def roots(self) -> np.ndarray:
        """Lowest element of each element's set, int64, (n,)."""
        return np.array([self._root(element) for element in range(len(self._above))], dtype=np.int64)

    def _root(self, element: int) -> int:
        while (above := int(self._above[element])) != element:
            self._above[element] = element = int(self._above[above])
        return element


def _groups(outputs: Sets) -> dict[str, np.ndarray]:
    """Sets of layers that share some, directly or through others; by the first of them."""
    names = list(outputs)
    layers = _Partition(len(names))
    owner: dict[int, int] = {}
    for place, name in enumerate(names):
        for number in outputs[name][outputs[name] != STAYS].tolist():
            layers.join(owner.setdefault(number, place), place)
    groups: dict[str, list[int]] = {}
    for place, root in enumerate(layers.roots()):
        known = groups.setdefault(names[root], [])
        known += [number for number in outputs[names[place]].tolist() if number != STAYS and number not in known]
    return {name: np.array(sorted(numbers), dtype=np.int64) for name, numbers in groups.items()}


@contextmanager
def watched(module: nn.Module, change: Any) -> Iterator[None]:
    """While it lasts, a module takes as its first input what a function makes of it."""

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "input": change(kwargs["input"])}

    hook = module.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def said(error: Exception) -> str:
    """Kind and first line of an error of a user's code."""
    return ": ".join((type(error).__name__, *str(error).splitlines()[:1]))


def _n_channels(module: nn.Module) -> int:
    """Number of inputs of a weighted layer, or of channels of a module that keeps them apart."""
    if isinstance(module, CHANNELWISE):
        return int(module.num_features)
    if isinstance(module, nn.PReLU):
        return int(module.num_parameters)
    return int(module.get_parameter("weight").shape[1]) * int(getattr(module, "groups", 1))
