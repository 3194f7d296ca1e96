"""Sparse evolutionary training (SET): a constant number of edges, the weakest of which are replaced by random ones.

In the style of Mocanu, Mocanu, Stone, Nguyen, Gibescu, Liotta, "Scalable training of artificial neural networks with
adaptive sparse connectivity inspired by network science", Nature Communications 9, 2383 (2018), whose rules were taken
from secondary sources, not from the paper. It also serves as a control of `strategic_synthesis`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.compression._edges import drawn_edges, smallest_edges
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import Training

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network
from evo_ensyth.shares import rounded_down


@dataclass(frozen=True)
class SparseEvolution:
    """One variant per density, in the order given, each trained separately from the untrained parent.

    Attributes
    ----------
    training : Training
        At the start and after every event. Convolutions stay dense and are trained with the rest.
    densities : tuple of float
        Edges of all dense layers over their weights. The density of a layer is proportional to n_inputs + n_outputs
        over n_inputs n_outputs, as in an Erdos-Renyi graph, and at most one.
    n_events : int
    replaced : float
        Share of a layer's positive weights, and of its negative ones, that an event replaces: those nearest to zero.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    The number of edges is the expected one of an Erdos-Renyi graph, not drawn. New edges start with a weight of zero.
    """

    training: Training
    densities: tuple[float, ...] = (0.2,)
    n_events: int = 10
    replaced: float = 0.3

    def __post_init__(self) -> None:
        object.__setattr__(self, "densities", tuple(float(density) for density in self.densities))
        if not self.densities or not all(0 < density < 1 for density in self.densities):
            raise InputError(f"densities are {self.densities}; expected at least one, all above 0 and below 1.")
        if self.n_events < 1:
            raise InputError(f"n_events is {self.n_events}; it must be 1 or more.")
        if not 0 < self.replaced < 1:
            raise InputError(f"replaced is {self.replaced}; it must lie between 0 and 1.")
        if self.training.l2:
            raise InputError("training has l2 terms; sparse layers are trained without.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``sparse_evolution-0.2``."""
        return tuple(f"sparse_evolution-{density:g}" for density in self.densities)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One training at the start and one after every event."""
        return Work((Descents(self.training, len(self.densities) * (self.n_events + 1)),))

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per density, trained."""
        from evo_ensyth.synthesis.compression._edge_training import edge_report, train_edges
        from evo_ensyth.synthesis.compression._scratch import made_once

        for name, density in zip(self.names(), self.densities, strict=True):
            model, masks = inputs.untrained, dict[str, np.ndarray]()
            for event in range(self.n_events + 1):
                progress(f"{name}, event {event} of {self.n_events}")
                rng = np.random.default_rng(derived_seed(seed, name, "edges", event))
                model, masks = self._rewired(model, masks, rng) if event else _first_edges(model, density, rng)
                training_seed = derived_seed(seed, name, "training", event)
                learn = partial(
                    train_edges, model, masks, inputs.train, self.training, seed=training_seed, device=inputs.device
                )
                model = made_once(scratch, f"{name}-{event}", parent, learn)
            origin = {"method": "sparse_evolution", "density": density}
            origin |= {"n_events": self.n_events, "replaced": self.replaced}
            yield Variant(name, origin, model, {"layers": edge_report(model, masks)})

    def _rewired(
        self, network: Network, masks: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> tuple[Network, dict[str, np.ndarray]]:
        """Weights and edges after an event, before training."""
        import torch

        from evo_ensyth.synthesis.compression._edge_training import dense_layers

        network, rewired = copy.deepcopy(network), {}
        for name, layer in dense_layers(network).items():
            weights, mask = layer.weight.detach().numpy(), masks[name]
            left = mask & ~weakest_edges(weights, mask, self.replaced)
            rewired[name] = left | drawn_edges(~left, int(mask.sum() - left.sum()), rng)
            layer.weight.data[torch.from_numpy(~left)] = 0
        return network, rewired


def weakest_edges(weights: np.ndarray, mask: np.ndarray, share: float) -> np.ndarray:
    """Mask of a share, rounded down, of the edges of either sign, those nearest to zero: bool, like ``mask``.

    An edge with a weight of zero counts as positive.
    """
    signs = (mask & (weights >= 0), mask & (weights < 0))
    weakest: np.ndarray = np.any(
        [smallest_edges(weights, sign, rounded_down(share, int(sign.sum()))) for sign in signs], axis=0
    )
    return weakest


def erdos_renyi_sizes(shapes: Mapping[str, tuple[int, int]], density: float) -> dict[str, int]:
    """Number of edges of each layer of shape (n_outputs, n_inputs), at least one, for a density of all layers together.

    Layers that would have more edges than places are full, and the others share the rest.
    """
    full: set[str] = set()
    total = density * sum(n_outputs * n_inputs for n_outputs, n_inputs in shapes.values())
    while True:
        others = {name: shape for name, shape in shapes.items() if name not in full}
        left = total - sum(shapes[name][0] * shapes[name][1] for name in full)
        pace = left / sum(map(sum, others.values()))
        beyond = {name for name, shape in others.items() if pace * sum(shape) > shape[0] * shape[1]}
        if not beyond:
            break
        full |= beyond
    sizes = {name: max(1, round(pace * sum(shape))) for name, shape in others.items()}
    return {name: sizes.get(name, shape[0] * shape[1]) for name, shape in shapes.items()}


def _first_edges(untrained: Network, density: float, rng: np.random.Generator) -> tuple[Network, dict[str, np.ndarray]]:
    """First weights and edges; weights are scaled up where the outputs of a layer have few inputs."""
    from evo_ensyth.synthesis.compression._edge_training import dense_layers

    network = copy.deepcopy(untrained)
    layers = dense_layers(network)
    shapes = {name: (layer.out_features, layer.in_features) for name, layer in layers.items()}
    sizes = erdos_renyi_sizes(shapes, density)
    masks = {}
    for name, layer in layers.items():
        masks[name] = drawn_edges(np.ones(tuple(layer.weight.shape), dtype=bool), sizes[name], rng)
        layer.weight.data *= (layer.weight.numel() / sizes[name]) ** 0.5
    return network, masks
