"""DropNet: neurons and filters of low mean activation are removed, a share of the remaining ones in every cycle.

Tan, Motani, "DropNet: Reducing Neural Network Complexity via Iterative Pruning", ICML 2020 (PMLR 119:9356-9366, arXiv
2207.06646).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.shares import rounded_down
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.datasets import Split, stratified
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import Training

if TYPE_CHECKING:
    import torch

    from evo_ensyth.synthesis.inspection.units import Units
    from evo_ensyth.synthesis.network import Network

METRICS = ("minimum", "maximum", "random", "minimum_layer", "maximum_layer", "random_layer")
STARTS = ("initial", "continue")
PUBLISHED_TRAINING = Training(epochs=100, batch=32, optimiser="sgd", learning_rate=0.1, decay=1.0)
HELD_OUT = 10  # one training sample in ten decides when to stop


@dataclass(frozen=True)
class DropNet:
    """One variant per cycle, each with fewer units than the one before.

    Attributes
    ----------
    metric : str
        Which units are removed: those of lowest mean activation (``minimum``), of highest (``maximum``, as a control),
        or random ones (``random``, likewise). ``minimum_layer`` and so on choose within every layer, the others among
        the units of all layers.
    share : float
        Share of the remaining units that a cycle removes; at least one.
    n_cycles : int
    start : str
        ``initial``: every cycle trains from the parent's initial weights, as published. ``continue``: it trains from
        its current weights, which takes fewer epochs.
    training : Training
        Of every cycle.
    patience : int
        Training stops once the loss on a held-out tenth of the training samples has not improved for this many epochs;
        the last weights are kept, not the best ones.
    layers : tuple of str, optional
        From which units may be removed, and from layers whose units go with theirs, as around a residual connection; by
        default all where the smaller network computes as if their outputs were zero.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    The parent serves as the full network of the first cycle, however it was trained. The last unit of a layer stays,
    since without it the network would give the same output for every image. Equal scores are ranked at random and
    exactly the given share is removed; the published code removes them from the front layers first. It keeps the images
    of an epoch in order, where here they are shuffled, and stops when a tenth of the units is left, after about 11
    cycles. The paper's text stops by accuracy instead.
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
        """Names of the variants by cycle, such as ``dropnet-minimum-3`` or ``dropnet-minimum-continue-3``."""
        start = "" if self.start == "initial" else f"{self.start}-"
        return tuple(f"dropnet-{self.metric}-{start}{cycle}" for cycle in range(1, self.n_cycles + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One training for each cycle, which may stop early."""
        fewest = min(self.training.epochs, self.patience + 1)
        return Work((Descents(self.training, self.n_cycles, fewest),))

    def left(self, parent: Network) -> Mapping[str, str]:
        """Layers that keep all of their units, each with the reason; errors as in `variants`."""
        from evo_ensyth.synthesis.compression._units import units_of_layers

        return units_of_layers(parent, self.layers).left

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per cycle, trained.

        Raises
        ------
        InputError
            ``layers`` names a layer whose units cannot be removed, no unit is left to remove, or the parent has lost
            units already.
        """
        from evo_ensyth.synthesis.compression._scratch import made_once
        from evo_ensyth.synthesis.compression._units import unit_report, units_of_layers
        from evo_ensyth.synthesis.descent import train
        from evo_ensyth.synthesis.inspection.removal import keep_units

        _check_whole(parent, inputs.untrained)
        units = units_of_layers(parent, self.layers)
        fitted, held_out = held_out_split(inputs.train, seed)
        begin, trained = inputs.untrained, parent
        for cycle, name in enumerate(self.names(), start=1):
            progress(name)
            active = activity(trained, fitted, units, inputs.device)
            kept = self._kept(active, np.random.default_rng(derived_seed(seed, name)))
            if all(mask.all() for mask in kept.values()):
                raise InputError(f"{name}: every layer is down to one unit; use fewer cycles.")
            whole = begin if self.start == "initial" else trained
            begin, units = keep_units(whole, units, kept)
            learn = partial(
                train,
                begin,
                fitted,
                self.training,
                seed=derived_seed(seed, name, "training"),
                device=inputs.device,
                stop=Patience(held_out, self.patience),
                progress=partial(_report_epoch, progress, name),
            )
            trained = made_once(scratch, name, begin, learn)
            chosen = {"metric": self.metric, "share": self.share, "start": self.start, "cycle": cycle}
            yield Variant(name, {"method": "dropnet", **chosen}, trained, unit_report(trained, units))

    def _kept(self, scores: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Masks of the units of each layer that stay: bool, (n_units,)."""
        metric, _, scope = self.metric.partition("_")
        sign = {"minimum": 1, "maximum": -1, "random": 0}[metric]
        signed = {name: sign * values for name, values in scores.items()}
        groups = [{name: values} for name, values in signed.items()] if scope else [signed]
        return {name: units for group in groups for name, units in without_lowest(group, self.share, rng).items()}


def _check_whole(parent: Network, untrained: Network) -> None:
    from evo_ensyth.synthesis.network import weighted_layers

    before = weighted_layers(untrained)
    if any(len(layer.weight) < len(before[name].weight) for name, layer in weighted_layers(parent).items()):
        raise InputError("the network has lost units already; DropNet starts from one with all of its units.")


def activity(network: Network, data: Split, units: Units, device: torch.device) -> dict[str, np.ndarray]:
    """Mean absolute output of each unit; parameters and result are those of `unit_means`."""
    from evo_ensyth.synthesis.compression._units import unit_means

    return unit_means(network, data, units, lambda output: output.abs(), device)


def without_lowest(scores: Mapping[str, np.ndarray], share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Masks of the units that remain when those of lowest score are removed, but never the last one of a layer.

    Parameters
    ----------
    scores : mapping of layer name to (n_units,)
    share : float
        Of the units of all these layers, rounded down; at least one is removed.
    rng : Generator
        Ranks units of equal score.

    Returns
    -------
    bool, (n_units,), for each layer
    """
    units = [(name, unit) for name, values in scores.items() for unit in range(len(values))]
    values = np.concatenate(list(scores.values()))
    drawn = rng.permutation(len(values))
    kept = {name: np.ones(len(values), dtype=bool) for name, values in scores.items()}
    to_remove = max(1, rounded_down(share, len(values)))
    for place in drawn[np.argsort(values[drawn], kind="stable")]:
        name, unit = units[place]
        if to_remove and kept[name].sum() > 1:
            kept[name][unit] = False
            to_remove -= 1
    return kept


class Patience:
    """Stops a training once the loss on held-out samples has not improved for a number of epochs.

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
        """Whether to stop, given the network after an epoch."""
        import torch
        from torch.nn import functional

        from evo_ensyth.synthesis.trees import moved

        network.eval()
        device = next(network.parameters()).device
        labels = torch.tensor(self.held_out.y_true, dtype=torch.long).to(device)
        with torch.inference_mode():
            logits = network(network.prepare(moved(self.held_out.stored(), device)))
            loss = float(functional.cross_entropy(logits, labels))
        self.waited = 0 if loss < self.least else self.waited + 1
        self.least = min(loss, self.least)
        return self.waited >= self.patience


def _report_epoch(progress: Report, name: str, done: int, total: int, text: str) -> None:
    progress(f"{name}, {text}")


def held_out_split(data: Split, seed: int) -> tuple[Split, Split]:
    """Samples to train on, and one in `HELD_OUT`, stratified by class, to decide when to stop.

    Parameters
    ----------
    data : Split
    seed : int
        The method's; the draw derives its own from it.
    """
    drawn = stratified(
        data.y_true, math.ceil(len(data) / HELD_OUT), np.random.default_rng(derived_seed(seed, "held out"))
    )
    return data.take(~drawn), data.take(drawn)
