"""Magnitude pruning: the largest weights stay. Of the whole network or of each layer, at once or little by little.

After Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015; the
gradual schedule in the style of Zhu, Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", arXiv 1710.01878 (2017): its cubic rise is widely known, the paper's text was not at hand. As a control,
to the layer densities of Net-Trim as in the code of Aghasi, Abdi, Romberg (SIAM J. Math. Data Sci. 2(1), 2020), which
calls it HPTD.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Compressor, Descents, Material, Told, Variant, Work, silent, work_of
from evo_ensyth.synthesis.compression._scratch import made_once
from evo_ensyth.synthesis.networks import Network, weighted_layers
from evo_ensyth.synthesis.training import FineTuning, derived_seed, fine_tune

SCOPES = ("global", "layer")


@dataclass(frozen=True)
class Gradual:
    """Prune in several steps, each followed by fine-tuning.

    Attributes
    ----------
    tuning : FineTuning
        After every step. The next step sorts the weights that it leaves.
    n_steps : int
        The share of zeros rises steeply at first: after step k of n it is s (1 - (1 - k / n)^3), s being the last one.

    Notes
    -----
    The original prunes in the course of one training. Here each step is a fine-tuning of its own, so that its rate
    begins anew, and what became zero stays zero.
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
        ``global``: all weights are sorted together. ``layer``: every layer has the same share of zeros.
    gradual : Gradual, optional
        How to get there step by step; in one step and without fine-tuning by default.

    Raises
    ------
    InputError
        A setting out of its range.
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
        """Name the variants, such as ``magnitude-global-0.8`` or ``magnitude-layer-gradual-0.8``."""
        pace = "" if self.gradual is None else "gradual-"
        return tuple(f"magnitude-{self.scope}-{pace}{sparsity:g}" for sparsity in self.sparsities)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: a fine-tuning for every step of the gradual way."""
        if self.gradual is None:
            return Work()
        return Work((Descents(self.gradual.tuning, len(self.sparsities) * self.gradual.n_steps),))

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per share of zeros. Only the gradual way looks at training images, and draws."""
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
                    tune = partial(fine_tune, pruned, material.train, self.gradual.tuning, seed=step_seed)
                    model = made_once(scratch, f"{name}-{step}", parent, tune)
            layers = weighted_layers(model).items()
            yield Variant(name, origin, model, {"layers": {place: _told(layer.weight) for place, layer in layers}})

    def _pruned(self, network: Network, sparsity: float) -> Network:
        """Return a copy with this share of zeros, which those that the network has already count towards."""
        pruned = copy.deepcopy(network)
        weights = [layer.weight for layer in weighted_layers(pruned).values()]
        for group in [weights] if self.scope == "global" else [[weight] for weight in weights]:
            count = sum(weight.numel() for weight in group)
            keep_largest(group, count - round(sparsity * count))
        return pruned


@dataclass(frozen=True)
class MagnitudeControl:
    """For each variant of another method, the parent with as many of its largest weights in each layer.

    Attributes
    ----------
    of : Compressor
        The method to be compared with. Its scratch folder is handed on, so that what it has finished there is reused.
    """

    of: Compressor

    def names(self) -> tuple[str, ...]:
        """Name the variants, such as ``magnitude-like-net_trim-0.1``."""
        return tuple(f"magnitude-like-{name}" for name in self.of.names())

    def work(self, parent: Network, n_calibration: int) -> Work | None:
        """Tell what it will do: what the other method does."""
        return work_of(self.of, parent, n_calibration)

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one control per variant, in the same order; a layer's bias is counted and ranked with its weights."""
        for variant in self.of.variants(parent, material, seed=seed, scratch=scratch, progress=progress):
            model = copy.deepcopy(parent)
            layers: dict[str, Any] = {}
            for name, layer in weighted_layers(model).items():
                kept = sum(int(part.count_nonzero()) for part in variant.model.get_submodule(name).parameters())
                keep_largest(list(layer.parameters()), kept)
                layers[name] = _told(*layer.parameters())
            origin: Mapping[str, Any] = {"method": "magnitude", "like": dict(variant.origin)}
            yield Variant(f"magnitude-like-{variant.name}", origin, model, {"layers": layers})


@torch.no_grad()
def keep_largest(tensors: Sequence[torch.Tensor], kept: int) -> None:
    """Set all but the ``kept`` entries of largest magnitude to zero, in place; of equal ones the earlier stays."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    # Stable, unlike topk: which of two equal weights goes must not depend on the machine.
    order = flat.abs().argsort(descending=True, stable=True)
    flat[order[kept:]] = 0
    for tensor, values in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(values.view_as(tensor))


def _told(*tensors: torch.Tensor) -> dict[str, Any]:
    nonzeros = sum(int(tensor.count_nonzero()) for tensor in tensors)
    return {"nonzeros": nonzeros, "density": nonzeros / sum(tensor.numel() for tensor in tensors)}
