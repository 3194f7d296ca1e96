"""DropNet: neurons and filters that say little are dropped, a share of those left in every cycle, and really removed.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020 (PMLR 119:9356-9366, arXiv
2207.06646).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Descents, Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.compression._scratch import made_once
from evo_ensyth.synthesis.compression._units import layers_before_the_last, n_units, unit_means
from evo_ensyth.synthesis.datasets import Split, stratified
from evo_ensyth.synthesis.layer_surgery import keep_units
from evo_ensyth.synthesis.networks import Network
from evo_ensyth.synthesis.training import Training, derived_seed, train

METRICS = ("minimum", "maximum", "random", "minimum_layer", "maximum_layer", "random_layer")
STARTS = ("initial", "continue")
PUBLISHED_TRAINING = Training(epochs=100, batch=32, optimiser="sgd", learning_rate=0.1, decay=1.0)
HELD_OUT = 10  # one training sample in so many tells when to stop


@dataclass(frozen=True)
class DropNet:
    """One variant per cycle, each with fewer units than the one before.

    Attributes
    ----------
    metric : str
        Which units go: those of least mean activation (``minimum``), of most (``maximum``, as a control), or any
        (``random``, likewise); ``minimum_layer`` and so on choose within every layer, the others among all of them.
    share : float
        Of the units still there, how many go in a cycle; one at least.
    n_cycles : int
    start : str
        ``initial``: every cycle trains from the weights that the parent's training began with, as published.
        ``continue``: it goes on from those that it has, which takes fewer epochs.
    training : Training
        Of every cycle.
    patience : int
        Training stops once the loss on a tenth of the training samples, which it does without, has not improved for so
        many epochs; the last weights count, not the best ones.
    layers : tuple of str, optional
        Whose units may go; all but the last by default.

    Raises
    ------
    InputError
        A setting out of its range.

    Notes
    -----
    The parent stands for the first cycle's full network, however it was trained. The last unit of a layer stays, since
    without it the network would answer the same to every image. Equal scores are ranked at random, and exactly so many
    units go; the published code takes them from the front layers first. It keeps the images of an epoch in order, where
    here they are shuffled, and stops when a tenth of the units is left, 11 cycles or so. The paper's text stops by
    accuracy instead.
    """

    metric: str = "minimum"
    share: float = 0.2
    n_cycles: int = 11
    start: str = "initial"
    training: Training = PUBLISHED_TRAINING
    patience: int = 5
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        for name, known in (("metric", METRICS), ("start", STARTS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is '{getattr(self, name)}'; there is {', '.join(known)}.")
        if not 0 < self.share < 1:
            raise InputError(f"share is {self.share}; it must lie between 0 and 1.")
        for name in ("n_cycles", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 1 or more.")

    def names(self) -> tuple[str, ...]:
        """Name the variants by their cycle, such as ``dropnet-minimum-3`` or ``dropnet-minimum-continue-3``."""
        start = "" if self.start == "initial" else f"{self.start}-"
        return tuple(f"dropnet-{self.metric}-{start}{cycle}" for cycle in range(1, self.n_cycles + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: a training for each cycle, which may lose its patience."""
        fewest = min(self.training.epochs, self.patience + 1)
        return Work((Descents(self.training, self.n_cycles, fewest),))

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per cycle, trained.

        Raises
        ------
        InputError
            ``layers`` names no layer, no unit is left that could go, or some are gone from the parent.
        """
        layers = self._checked_layers(parent, material.untrained)
        fitted, held_out = shared_out(material.train, seed)
        untrained, trained = material.untrained, parent
        for cycle, name in enumerate(self.names(), start=1):
            progress(name)
            kept = self._kept(activity(trained, fitted, layers), np.random.default_rng(derived_seed(seed, name)))
            if all(units.all() for units in kept.values()):
                raise InputError(f"{name}: every layer is down to one unit; take fewer cycles.")
            untrained = keep_units(untrained, kept)
            begin = untrained if self.start == "initial" else keep_units(trained, kept)
            learn = partial(self._train, begin, fitted, held_out, derived_seed(seed, name, "training"), name, progress)
            trained = made_once(scratch, name, parent, learn)
            units = {place: n_units(trained, place) for place in layers}
            chosen = {"metric": self.metric, "share": self.share, "start": self.start, "cycle": cycle}
            yield Variant(name, {"method": "dropnet", **chosen}, trained, {"units": units})

    def _checked_layers(self, parent: Network, untrained: Network) -> tuple[str, ...]:
        layers = layers_before_the_last(parent, self.layers)
        every = layers_before_the_last(parent, None)
        if any(n_units(parent, name) < n_units(untrained, name) for name in every):
            raise InputError("the network has lost units already; DropNet takes one with all of them.")
        return layers

    def _train(self, begin: Network, fitted: Split, held_out: Split, seed: int, name: str, progress: Told) -> Network:
        return train(
            begin,
            fitted,
            self.training,
            seed=seed,
            stop=Patience(held_out, self.patience),
            progress=lambda done, total, text: progress(f"{name}, {text}"),
        )

    def _kept(self, scores: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Which units of each layer stay: bool, (n_units,)."""
        metric, _, scope = self.metric.partition("_")
        sign = {"minimum": 1, "maximum": -1, "random": 0}[metric]
        signed = {name: sign * values for name, values in scores.items()}
        groups = [{name: values} for name, values in signed.items()] if scope else [signed]
        return {name: units for group in groups for name, units in without_lowest(group, self.share, rng).items()}


def activity(network: Network, data: Split, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean absolute value of what each unit says; parameters and result as those of `unit_means`."""
    return unit_means(network, data, layers, torch.abs)


def without_lowest(scores: Mapping[str, np.ndarray], share: float, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Mark what stays of some layers when the units of lowest score go, but never the last one of a layer.

    Parameters
    ----------
    scores : for each layer (n_units,)
    share : float
        Of the units of all these layers, rounded down; one at least.
    rng : Generator
        Ranks units of equal score.

    Returns
    -------
    bool, (n_units,), for each layer
    """
    units = [(name, unit) for name, values in scores.items() for unit in range(len(values))]
    values = np.concatenate(list(scores.values()))
    drawn = rng.permutation(len(values))
    kept = {name: torch.ones(len(values), dtype=torch.bool) for name, values in scores.items()}
    to_go = max(1, int(share * len(values)))
    for place in drawn[np.argsort(values[drawn], kind="stable")]:
        name, unit = units[place]
        if to_go and kept[name].sum() > 1:
            kept[name][unit] = False
            to_go -= 1
    return kept


class Patience:
    """Says stop when a network has not become better on some samples for so many epochs.

    Parameters
    ----------
    held_out : Split
    patience : int
        Epochs.
    """

    def __init__(self, held_out: Split, patience: int) -> None:
        self.held_out, self.patience = held_out, patience
        self.least, self.waited = math.inf, 0

    def __call__(self, network: Network) -> bool:
        """Look at a network after an epoch."""
        network.eval()
        labels = torch.tensor(self.held_out.y_true, dtype=torch.long)
        with torch.inference_mode():
            logits = network(network.prepare(torch.tensor(self.held_out.images)))
            loss = float(functional.cross_entropy(logits, labels))
        self.waited = 0 if loss < self.least else self.waited + 1
        self.least = min(loss, self.least)
        return self.waited >= self.patience


def shared_out(data: Split, seed: int) -> tuple[Split, Split]:
    """Samples to train on, and one in `HELD_OUT`, of every class its share, to tell when to stop.

    Parameters
    ----------
    data : Split
    seed : int
        Of the method, from which the one to draw with is derived.
    """
    drawn = stratified(
        data.y_true, math.ceil(len(data) / HELD_OUT), np.random.default_rng(derived_seed(seed, "held out"))
    )
    return data.take(~drawn), data.take(drawn)
