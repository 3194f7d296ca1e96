"""Magnitude pruning: the largest weights stay, of the whole network or of each layer, in one step or gradually.

After Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015; the
gradual schedule in the style of Zhu, Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", arXiv 1710.01878 (2017): its cubic rise is widely known, the paper's text was not available to us.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Descents, Report, Variant, Work, silent
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Gradual:
    """Pruning in several steps, each followed by fine-tuning.

    Attributes
    ----------
    tuning : FineTuning
        After every step. The next step ranks the resulting weights.
    n_steps : int
        The share of zeros rises steeply at first: after step k of n it is s (1 - (1 - k / n)^3), s being the final one.

    Notes
    -----
    The original prunes during a single training. Here each step is a fine-tuning of its own, so that its learning rate
    starts anew; zeros stay zero.
    """

    tuning: FineTuning
    n_steps: int = 8

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise InputError(f"n_steps is {self.n_steps}; it must be 1 or more.")

    def sparsities(self, last: float) -> tuple[float, ...]:
        """Share of zeros after every step."""
        return tuple(last * (1 - (1 - step / self.n_steps) ** 3) for step in range(1, self.n_steps + 1))


@dataclass(frozen=True)
class Magnitude:
    """One variant per share of zeros, in the order given; weights of all layers are pruned, biases are not.

    Attributes
    ----------
    sparsities : tuple of float
        Shares of weights that become zero.
    scope : str
        ``global``: all weights are ranked together. ``layer``: every layer has the same share of zeros.
    gradual : Gradual, optional
        Prune step by step; by default in one step, without fine-tuning.

    Raises
    ------
    InputError
        A setting is out of its range.
    """

    sparsities: tuple[float, ...] = (0.5, 0.7, 0.8, 0.9, 0.95)
    scope: str = "global"
    gradual: Gradual | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparsities", tuple(float(sparsity) for sparsity in self.sparsities))
        if not self.sparsities or not all(0 < sparsity < 1 for sparsity in self.sparsities):
            raise InputError(f"sparsities are {self.sparsities}; expected at least one, all above 0 and below 1.")
        if self.scope not in SCOPES:
            raise InputError(f"scope is '{self.scope}'; there is {', '.join(SCOPES)}.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``magnitude-global-0.8`` or ``magnitude-layer-gradual-0.8``."""
        pace = "" if self.gradual is None else "gradual-"
        return tuple(f"magnitude-{self.scope}-{pace}{sparsity:g}" for sparsity in self.sparsities)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """One fine-tuning for every step of gradual pruning."""
        if self.gradual is None:
            return Work()
        return Work((Descents(self.gradual.tuning, len(self.sparsities) * self.gradual.n_steps),))

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per share of zeros. Only gradual pruning uses training images and the seed."""
        from evo_ensyth.synthesis.compression._largest_weights import density_report
        from evo_ensyth.synthesis.compression._scratch import made_once
        from evo_ensyth.synthesis.descent import fine_tune
        from evo_ensyth.synthesis.network import weight_matrices

        for name, sparsity in zip(self.names(), self.sparsities, strict=True):
            progress(name)
            origin: dict[str, Any] = {"method": "magnitude", "scope": self.scope, "sparsity": sparsity}
            if self.gradual is None:
                model = self._pruned(parent, sparsity)
            else:
                origin |= {"n_steps": self.gradual.n_steps, "tuning": self.gradual.tuning.name}
                model = parent
                for step, share in enumerate(self.gradual.sparsities(sparsity), start=1):
                    progress(f"{name}, step {step} of {self.gradual.n_steps}")
                    pruned, step_seed = self._pruned(model, share), derived_seed(seed, name, step)
                    tune = partial(
                        fine_tune, pruned, inputs.train, self.gradual.tuning, seed=step_seed, device=inputs.device
                    )
                    model = made_once(scratch, f"{name}-{step}", parent, tune)
            report = {"layers": {place: density_report(weight) for place, weight in weight_matrices(model).items()}}
            yield Variant(name, origin, model, report)

    def _pruned(self, network: Network, sparsity: float) -> Network:
        """Return a copy with this share of zeros, including those that the network has already."""
        from evo_ensyth.synthesis.compression._largest_weights import keep_largest
        from evo_ensyth.synthesis.network import weight_matrices

        pruned = copy.deepcopy(network)
        weights = list(weight_matrices(pruned).values())
        for group in [weights] if self.scope == "global" else [[weight] for weight in weights]:
            count = sum(weight.numel() for weight in group)
            keep_largest(group, count - round(sparsity * count))
        return pruned
