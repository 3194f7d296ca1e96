"""Magnitude control: for each variant of another method, magnitude pruning to the same density of every layer.

As in the code of Aghasi, Abdi, Romberg, "Fast Convex Pruning of Deep Neural Networks", SIAM J. Math. Data Sci. 2(1),
2020, which compares Net-Trim with it and calls it HPTD.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_ensyth.synthesis.compression import CompressionInputs, Compressor, Report, Variant, Work, find, silent, work_of

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network


@dataclass(frozen=True)
class MagnitudeControl:
    """For each variant of another method, the parent with as many of its largest weights in each layer.

    Attributes
    ----------
    of : Compressor or str
        The method to compare with. It works in the same scratch folder, so that what it finished there is reused.
    """

    of: Compressor | str

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", find(self.of))

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``magnitude-like-net_trim-0.1``."""
        return tuple(f"magnitude-like-{name}" for name in find(self.of).names())

    def work(self, parent: Network, n_calibration: int) -> Work | None:
        """What the other method does."""
        return work_of(find(self.of), parent, n_calibration)

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one control per variant, in the same order; a layer's bias is counted and ranked with its weights."""
        from evo_ensyth.synthesis.compression._largest_weights import density_report, keep_largest
        from evo_ensyth.synthesis.network import weight_matrices, weighted_layers

        for variant in find(self.of).variants(parent, inputs, seed=seed, scratch=scratch, progress=progress):
            model = copy.deepcopy(parent)
            layers: dict[str, Any] = {}
            ours, theirs = weighted_layers(model), weighted_layers(variant.model)
            other = weight_matrices(variant.model)
            for name, weight in weight_matrices(model).items():
                parts = list(ours[name].parameters()) if name in ours else [weight]
                wanted = theirs[name].parameters() if name in theirs else [other[name]]
                keep_largest(parts, sum(int(part.count_nonzero()) for part in wanted))
                layers[name] = density_report(*parts)
            origin: Mapping[str, Any] = {"method": "magnitude", "like": dict(variant.origin)}
            yield Variant(f"magnitude-like-{variant.name}", origin, model, {"layers": layers})
