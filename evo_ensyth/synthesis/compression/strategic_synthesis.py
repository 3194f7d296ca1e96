"""Strategic synthesis: a very sparse network grows edges where its weights are largest, up to a capacity.

In the style of Finlinson, Moschoyiannis, "Synthesis and Pruning as a Dynamic Compression Strategy for Efficient Deep
Neural Networks", DataMod 2020 (arXiv 2011.11358), of which abstract and introduction were available to us, and no
equation: the rules below are our own interpretation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.shares import rounded_down
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.compression._edges import drawn_edges, smallest_edges
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.settings import LATER
from evo_ensyth.synthesis.training import Training

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

STARTS = ("sparse", "pruned")
GROWTHS = ("strategic", "random")
ENDPOINTS = ("gaussian", "strong")
STRONG = 1.0


@dataclass(frozen=True)
class StrategicSynthesis:
    """One variant per capacity, in the order given, all on one path from few edges to many.

    Attributes
    ----------
    training : Training
        At the start and after every event. Convolutions stay dense and are trained with the rest.
    capacities : tuple of float
        Shares of a dense layer's places that become edges; increasing.
    start : str
        ``sparse``: edges drawn at random with the parent's initial weights, scaled up for the smaller number of inputs.
        ``pruned``: the parent's largest weights of every layer, so that it is pruned and grows again.
    start_density : float
        Share of a dense layer's places with an edge at the start.
    growth : str
        ``strategic``, see `strategic_edges`, or ``random``: anywhere, as a control.
    growth_share, pruned_share : float
        Shares of its edges that every layer gains in an event, and that it loses: those of smallest weight.
    target_share : float
        Share of a layer's edges, the largest, that attract new ones.
    endpoints : str
        Where strategic edges end: ``gaussian`` or ``strong``, see `strategic_edges`.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    New edges start with a weight of zero, so that growth alone does not change the output. Controls of equal density
    are ``growth="random"``, `SparseEvolution`, and `MagnitudeControl` of this method.
    """

    training: Training
    capacities: tuple[float, ...] = (0.2,)
    start: str = "sparse"
    start_density: float = 0.05
    growth: str = "strategic"
    growth_share: float = 0.1
    pruned_share: float = 0.0
    target_share: float = 0.1
    endpoints: str = field(default="gaussian", metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "capacities", tuple(float(capacity) for capacity in self.capacities))
        shares = (self.start_density, *self.capacities, 1.0)
        if len(shares) < 3 or not all(a < b for a, b in zip((0.0, *shares), shares, strict=False)):
            raise InputError(
                f"start_density is {self.start_density} and capacities are {self.capacities}; "
                "expected at least one capacity, and shares that increase from above 0 to below 1."
            )
        for name, known in (("start", STARTS), ("growth", GROWTHS), ("endpoints", ENDPOINTS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is '{getattr(self, name)}'; there is {', '.join(known)}.")
        if not 0 <= self.pruned_share < self.growth_share <= 1:
            raise InputError(
                f"pruned_share is {self.pruned_share} and growth_share {self.growth_share}; "
                "expected the second to be larger, or no layer ever grows."
            )
        if not 0 < self.target_share <= 1:
            raise InputError(f"target_share is {self.target_share}; it must be above 0 and at most 1.")
        if self.growth == "random" and self.endpoints != ENDPOINTS[0]:
            raise InputError(f"endpoints is '{self.endpoints}', which random growth does not use; leave it out.")
        if self.training.l2:
            raise InputError("training has l2 terms; sparse layers are trained without.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``strategic_synthesis-random-pruned-0.2``."""
        return tuple(f"{self._path()}-{capacity:g}" for capacity in self.capacities)

    def _path(self) -> str:
        growth = "" if self.growth == "strategic" else f"{self.growth}-"
        endpoints = "" if self.endpoints == ENDPOINTS[0] else f"{self.endpoints}-"
        return f"strategic_synthesis-{growth}{endpoints}{self.start}"

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One training at the start and one after every event."""
        from evo_ensyth.synthesis.compression._edge_training import dense_layers

        sizes = {name: layer.weight.numel() for name, layer in dense_layers(parent).items()}
        edges = {name: max(1, round(self.start_density * size)) for name, size in sizes.items()}
        n_events = 0
        for capacity in self.capacities:
            most = {name: max(1, rounded_down(capacity, size)) for name, size in sizes.items()}
            while any(edges[name] < most[name] for name in edges):
                n_events += 1
                changes = {name: self._changes(edges[name], most[name]) for name in edges}
                edges = {name: edges[name] - lost + gained for name, (lost, gained) in changes.items()}
        return Work((Descents(self.training, 1 + n_events),))

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per capacity, trained.

        Raises
        ------
        InputError
            The parent is quantised.
        """
        from evo_ensyth.synthesis.compression._edge_training import edge_report, train_edges
        from evo_ensyth.synthesis.compression._scratch import made_once

        model, masks = self._first_edges(parent, inputs.untrained, derived_seed(seed, self._path(), "start"))
        event = 0

        def trained() -> Network:
            training_seed = derived_seed(seed, self._path(), "training", event)
            learn = partial(
                train_edges, model, masks, inputs.train, self.training, seed=training_seed, device=inputs.device
            )
            return made_once(scratch, f"{self._path()}-{event}", parent, learn)

        progress(f"{self._path()}, start")
        model = trained()
        for name, capacity in zip(self.names(), self.capacities, strict=True):
            most = {place: max(1, rounded_down(capacity, mask.size)) for place, mask in masks.items()}
            while any(mask.sum() < most[place] for place, mask in masks.items()):
                event += 1
                progress(f"{name}, event {event}")
                rng = np.random.default_rng(derived_seed(seed, self._path(), "edges", event))
                model, masks = self._grown(model, masks, most, rng)
                model = trained()
            origin = {"method": "strategic_synthesis", "start": self.start, "growth": self.growth, "capacity": capacity}
            shares = {f"{part}_share": getattr(self, f"{part}_share") for part in ("growth", "pruned", "target")}
            origin |= {"start_density": self.start_density, **shares}
            origin |= {} if self.endpoints == ENDPOINTS[0] else {"endpoints": self.endpoints}
            yield Variant(name, origin, model, {"events": event, "layers": edge_report(model, masks)})

    def _first_edges(self, parent: Network, untrained: Network, seed: int) -> tuple[Network, dict[str, np.ndarray]]:
        """Weights and the edges of every dense layer at the start."""
        from evo_ensyth.synthesis.compression._edge_training import dense_layers

        rng = np.random.default_rng(seed)
        model = copy.deepcopy(untrained if self.start == "sparse" else parent)
        masks = {}
        for name, layer in dense_layers(model).items():
            weights = layer.weight.detach().numpy()
            everywhere = np.ones(weights.shape, dtype=bool)
            count = max(1, round(self.start_density * weights.size))
            if self.start == "sparse":
                masks[name] = drawn_edges(everywhere, count, rng)
                layer.weight.data *= self.start_density**-0.5
            else:
                masks[name] = ~smallest_edges(weights, everywhere, weights.size - count)
        return model, masks

    def _grown(
        self, network: Network, masks: Mapping[str, np.ndarray], most: Mapping[str, int], rng: np.random.Generator
    ) -> tuple[Network, dict[str, np.ndarray]]:
        """Weights and edges after an event, before training."""
        import torch

        from evo_ensyth.synthesis.compression._edge_training import dense_layers

        network, masks = copy.deepcopy(network), dict(masks)
        for name, layer in dense_layers(network).items():
            n_edges = int(masks[name].sum())
            if n_edges >= most[name]:
                continue
            n_pruned, n_new = self._changes(n_edges, most[name])
            weights, masks[name] = self._rewired(layer.weight.detach().numpy(), masks[name], n_pruned, n_new, rng)
            layer.weight.data.copy_(torch.from_numpy(weights))
        return network, masks

    def _changes(self, n_edges: int, most: int) -> tuple[int, int]:
        """Number of edges that a layer loses in an event, and that it gains."""
        if n_edges >= most:
            return 0, 0
        n_pruned = round(self.pruned_share * n_edges)
        return n_pruned, min(max(n_pruned + 1, round(self.growth_share * n_edges)), most - n_edges + n_pruned)

    def _rewired(
        self, weights: np.ndarray, mask: np.ndarray, n_pruned: int, n_new: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights and edges of a layer, (n_outputs, n_inputs), without its smallest edges and with new ones.

        An edge that is removed may return at once, with a weight of zero.
        """
        left = mask & ~smallest_edges(weights, mask, n_pruned)
        if self.growth == "random":
            new = drawn_edges(~left, n_new, rng)
        else:
            new = strategic_edges(weights, left, n_new, self.target_share, rng, self.endpoints)
        return np.where(left, weights, 0), left | new


def strategic_edges(
    weights: np.ndarray,
    mask: np.ndarray,
    count: int,
    target_share: float,
    rng: np.random.Generator,
    endpoints: str = ENDPOINTS[0],
) -> np.ndarray:
    """Mask of the new edges of a layer.

    Targets are the edges of largest weight among those whose input can take another edge. A new edge starts at an input
    drawn with probability proportional to the sum of its targets' magnitudes. It ends at an output that the input does
    not reach yet. ``gaussian``: the one whose mean incoming weight is nearest to a draw from the Gaussian with mean and
    standard deviation of the layer's weights. ``strong``: any of those whose incoming weights have a sum of magnitudes
    more than one standard deviation above the mean of all outputs; if the input reaches all of these, any other.

    Parameters
    ----------
    weights : float32, (n_outputs, n_inputs)
    mask : bool, (n_outputs, n_inputs)
        The present edges.
    count : int
        Number of new edges; at most the number of places without one.
    target_share : float
        Share of the edges whose input can take another one that are targets, rounded down; at least one is.
    rng : Generator
    endpoints : str

    Returns
    -------
    bool, (n_outputs, n_inputs)
        Marks ``count`` places that had no edge. Once every input with an edge of nonzero weight reaches all outputs,
        the rest are drawn at random.
    """
    means = np.where(mask, weights, 0).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    strengths = np.where(mask, np.abs(weights), 0).sum(axis=1)
    strong = strengths > strengths.mean() + STRONG * strengths.std()
    mean, deviation = float(weights[mask].mean()), float(weights[mask].std())
    vacant = ~mask
    while count > 0:
        impacts = _impacts(np.where(mask & vacant.any(axis=0), np.abs(weights), 0), target_share)
        if impacts.sum() == 0:
            vacant &= ~drawn_edges(vacant, count, rng)
            break
        for origin in rng.choice(len(impacts), count, p=impacts / impacts.sum()):
            ends = np.flatnonzero(vacant[:, origin])
            if endpoints == "strong":
                distances = rng.random(len(means)) - strong
            else:
                distances = np.abs(means - rng.normal(mean, deviation))
            if len(ends):  # If the input reaches all outputs by now, the next round draws another.
                vacant[ends[distances[ends].argmin()], origin] = False
                count -= 1
    new: np.ndarray = ~mask & ~vacant
    return new


def _impacts(sizes: np.ndarray, target_share: float) -> np.ndarray:
    """Sum of the targets of each input, (n_inputs,), given magnitudes (n_outputs, n_inputs), zero where none may be."""
    places = np.flatnonzero(sizes)
    ranked = places[np.argsort(-sizes.flat[places], kind="stable")]
    targets = ranked[: max(1, rounded_down(target_share, len(places)))]
    return np.bincount(targets % sizes.shape[1], weights=sizes.flat[targets], minlength=sizes.shape[1])
