"""APoZ: neurons and filters that mostly answer zero go, those far above their layer's mean, and are really removed.

After Hu, Peng, Tai, Tang, "Network Trimming: A Data-Driven Neuron Pruning Approach towards Efficient Deep
Architectures", arXiv 1607.03250 (2016), by the rule of its first author's public code; the paper was not at hand.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Descents, Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.compression._scratch import made_once
from evo_ensyth.synthesis.compression._units import layers_before_the_last, n_units, unit_means
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.layer_surgery import keep_units
from evo_ensyth.synthesis.networks import Network
from evo_ensyth.synthesis.training import FineTuning, derived_seed, fine_tune

ROUNDING = 1e-12


@dataclass(frozen=True)
class APoZ:
    """One variant per cycle, each with fewer units than the one before.

    Attributes
    ----------
    tuning : FineTuning
        After every cycle, from the weights that are left.
    n_cycles : int
    excess : float
        A unit goes if its average percentage of zeros exceeds the mean of its layer by more than so many standard
        deviations.
    layers : tuple of str, optional
        Whose units may go; all but the last by default.

    Raises
    ------
    InputError
        A setting out of its range.

    Notes
    -----
    Zeros are counted on the training images. Where no unit exceeds its limit, the one goes that answers zero most
    often in the whole network, so that every cycle ends with a smaller one; but never the last of a layer.
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
        """Name the variants by their cycle, such as ``apoz-3``."""
        return tuple(f"apoz-{cycle}" for cycle in range(1, self.n_cycles + 1))

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: a fine-tuning for each cycle."""
        return Work((Descents(self.tuning, self.n_cycles),))

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per cycle, fine-tuned.

        Raises
        ------
        InputError
            ``layers`` names no layer, or no unit is left that could go.
        """
        layers = layers_before_the_last(parent, self.layers)
        model = parent
        for cycle, name in enumerate(self.names(), start=1):
            progress(name)
            kept = without_silent(share_of_zeros(model, material.train, layers), self.excess)
            if all(units.all() for units in kept.values()):
                raise InputError(f"{name}: every layer is down to one unit; take fewer cycles.")
            trimmed, tuning_seed = keep_units(model, kept), derived_seed(seed, name)
            tune = partial(fine_tune, trimmed, material.train, self.tuning, seed=tuning_seed)
            model = made_once(scratch, name, parent, tune)
            origin = {"method": "apoz", "excess": self.excess, "cycle": cycle, "tuning": self.tuning.name}
            yield Variant(name, origin, model, {"units": {place: n_units(model, place) for place in layers}})


def share_of_zeros(network: Network, data: Split, layers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return how often each unit answers zero; parameters and result as those of `unit_means`."""
    return unit_means(network, data, layers, lambda output: output == 0)


def without_silent(zeros: Mapping[str, np.ndarray], excess: float) -> dict[str, torch.Tensor]:
    """Mark what stays of some layers when those units go that are zero far more often than their layer's mean.

    Parameters
    ----------
    zeros : for each layer (n_units,)
        Shares, from 0 to 1.
    excess : float
        In standard deviations of the layer's shares.

    Returns
    -------
    bool, (n_units,), for each layer
        At least one unit less than there is, where a layer has two.
    """
    limits = {name: shares.mean() + excess * shares.std() for name, shares in zeros.items()}
    # A mean of equal shares may come out a last bit below them.
    kept = {name: torch.from_numpy(shares <= limits[name] + ROUNDING) for name, shares in zeros.items()}
    several = {name: shares for name, shares in zeros.items() if len(shares) > 1}
    if several and all(units.all() for units in kept.values()):
        name = max(several, key=lambda place: several[place].max())
        kept[name][several[name].argmax()] = False
    return kept
