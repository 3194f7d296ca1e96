"""Magnitude pruning as a control: as sparse as another method's variants, layer by layer, but without its reasons.

Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks", NIPS 2015, to the layer
densities of Net-Trim as in Aghasi, Abdi, Romberg (SIAM J. Math. Data Sci. 2(1), 2020), who call it HPTD.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evo_ensyth.synthesis.compression import Compressor, Told, Variant, silent


@dataclass(frozen=True)
class MagnitudeControl:
    """For each variant of another method, the parent with as many of its largest weights in each dense layer.

    Attributes
    ----------
    of : Compressor
        The method to be compared with. Its scratch folder is handed on, so that what it has finished there is reused.
    """

    of: Compressor

    def variants(
        self,
        parent: nn.Module,
        calibration: torch.Tensor,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one control per variant, in the same order; a layer's bias is counted and ranked with its weights."""
        for variant in self.of.variants(parent, calibration, seed=seed, scratch=scratch, progress=progress):
            model = copy.deepcopy(parent)
            layers: dict[str, Any] = {}
            for name, layer in model.named_modules():
                if isinstance(layer, nn.Linear):
                    kept = sum(int(part.count_nonzero()) for part in variant.model.get_submodule(name).parameters())
                    _keep_largest(layer, kept)
                    layers[name] = {
                        "nonzeros": kept,
                        "density": kept / sum(part.numel() for part in layer.parameters()),
                    }
            origin: Mapping[str, Any] = {"method": "magnitude", "like": dict(variant.origin)}
            yield Variant(f"magnitude-like-{variant.name}", origin, model, {"layers": layers})


@torch.no_grad()
def _keep_largest(layer: nn.Linear, kept: int) -> None:
    """Set all but the ``kept`` entries of largest magnitude to zero; of equal ones the earlier stays."""
    parts = list(layer.parameters())
    flat = torch.cat([part.flatten() for part in parts])
    # Stable, unlike topk: which of two equal weights goes must not depend on the machine.
    order = flat.abs().argsort(descending=True, stable=True)
    flat[order[kept:]] = 0
    for part, values in zip(parts, torch.split(flat, [part.numel() for part in parts]), strict=True):
        part.copy_(values.view_as(part))
