"""APoZ: neurons and filters that output zero far more often than others of their layer are removed.

After Hu, Peng, Tai, Tang, "Network Trimming: A Data-Driven Neuron Pruning Approach towards Efficient Deep
Architectures", arXiv 1607.03250 (2016), by the rule of its first author's public code; the paper was not available to
us.
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
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning

if TYPE_CHECKING:
    import torch

    from evo_ensyth.synthesis.inspection.units import Units
    from evo_ensyth.synthesis.network import Network

ROUNDING = 1e-12
RARELY = 1e-3  # smooth activation functions round to zero now and then


@dataclass(frozen=True)
class APoZ:
    """One variant per cycle, each with fewer units than the one before.

    Attributes
    ----------
    tuning : FineTuning
        After every cycle, starting from the remaining weights.
    n_cycles : int
    excess : float
        A unit is removed if its average percentage of zeros exceeds the mean of its layer by more than this many
        standard deviations.
    layers : tuple of str, optional
        From which units may be removed, and from layers whose units go with theirs, as around a residual connection; by
        default all where the smaller network computes as if their outputs were zero.

    Raises
    ------
    InputError
        A setting is out of its range.

    Notes
    -----
    Zeros are counted on the training images. If no unit exceeds its limit, the one of the whole network that outputs
    zero most often is removed, so that every cycle ends with a smaller network; but never the last unit of a layer.
    """

    tuning: FineTuning
    n_cycles: int = 4
    excess: float = 1.0
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        if self.n_cycles < 1:
            raise InputError(f"n_cycles is {self.n_cycles}; it must be 1 or more.")
        if not 0 <= self.excess < math.inf:
            raise InputError(f"excess is {self.excess}; it must be 0 or more standard deviations.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants by cycle, such as ``apoz-3``."""
        return tuple(f"apoz-{cycle}" for cycle in range(1, self.n_cycles + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One fine-tuning for each cycle."""
        return Work((Descents(self.tuning, self.n_cycles),))

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
        """Yield one variant per cycle, fine-tuned.

        Raises
        ------
        InputError
            ``layers`` names a layer whose units cannot be removed, no unit is left to remove, or none is ever zero.
        """
        from evo_ensyth.synthesis.compression._scratch import made_once
        from evo_ensyth.synthesis.compression._units import unit_report, units_of_layers
        from evo_ensyth.synthesis.descent import fine_tune
        from evo_ensyth.synthesis.inspection.removal import keep_units

        model, units = parent, units_of_layers(parent, self.layers)
        for cycle, name in enumerate(self.names(), start=1):
            progress(name)
            zeros = share_of_zeros(model, inputs.train, units, inputs.device)
            kept = without_silent(zeros if units.is_known else often_zero(zeros), self.excess)
            if all(mask.all() for mask in kept.values()):
                raise InputError(f"{name}: every layer is down to one unit; use fewer cycles.")
            trimmed, units = keep_units(model, units, kept)
            tuning_seed = derived_seed(seed, name)
            tune = partial(fine_tune, trimmed, inputs.train, self.tuning, seed=tuning_seed, device=inputs.device)
            model = made_once(scratch, name, trimmed, tune)
            origin = {"method": "apoz", "excess": self.excess, "cycle": cycle, "tuning": self.tuning.name}
            yield Variant(name, origin, model, unit_report(model, units))


def share_of_zeros(network: Network, data: Split, units: Units, device: torch.device) -> dict[str, np.ndarray]:
    """How often each unit outputs zero; parameters and result are those of `unit_means`."""
    from evo_ensyth.synthesis.compression._units import unit_means

    return unit_means(network, data, units, lambda output: output == 0, device)


def often_zero(zeros: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Shares of zeros, (n_units,), of those layers of which a unit outputs zero at least now and then.

    Raises
    ------
    InputError
        There is no such layer.
    """
    found = {name: shares for name, shares in zeros.items() if shares.max() > RARELY}
    if not found:
        raise InputError(
            f"no unit of {', '.join(zeros)} ever outputs zero; APoZ needs an activation function that does, as ReLU."
        )
    return found


def without_silent(zeros: Mapping[str, np.ndarray], excess: float) -> dict[str, np.ndarray]:
    """Masks of the units that remain when those that are zero far more often than their layer's mean are removed.

    Parameters
    ----------
    zeros : mapping of layer name to (n_units,)
        Shares of zeros, from 0 to 1.
    excess : float
        In standard deviations of the layer's shares.

    Returns
    -------
    bool, (n_units,), for each layer
        At least one unit fewer in total, unless every layer has only one.
    """
    limits = {name: shares.mean() + excess * shares.std() for name, shares in zeros.items()}
    # The mean of equal shares may be rounded below them.
    kept = {name: shares <= limits[name] + ROUNDING for name, shares in zeros.items()}
    several = {name: shares for name, shares in zeros.items() if len(shares) > 1}
    if several and all(units.all() for units in kept.values()):
        name = max(several, key=lambda place: several[place].max())
        kept[name][several[name].argmax()] = False
    return kept
