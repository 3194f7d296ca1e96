"""Quantisation after training: weights become integer multiples of a step, one step for each output of a layer.

Symmetric and uniform, in the style of Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference:
A whitepaper", arXiv 1806.08342 (2018); searching for the step of least squared error is common practice. Only weights
are quantised: biases, activations and arithmetic stay in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import CompressionInputs, Report, Variant, Work, silent

if TYPE_CHECKING:
    from evo_ensyth.synthesis.network import Network

SPANS = ("least_squares", "whole")


@dataclass(frozen=True)
class Quantisation:
    """One variant per number of bits, in the order given.

    Attributes
    ----------
    bits : tuple of int
        Of a weight, 2 to 8. There are 2^bits - 1 levels, as many below zero as above.
    span : str
        Range of the levels. ``whole``: up to the largest weight of the output, so that no weight moves by more than
        half a step. ``least_squares``: up to the share of it that minimises the squared error of the output's weights;
        weights beyond become the outermost level. The fewer the bits, the more this gains.

    Raises
    ------
    InputError
        A setting is out of its range.
    """

    bits: tuple[int, ...] = (8, 4, 3, 2)
    span: str = "least_squares"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", tuple(self.bits))
        if not self.bits or len(set(self.bits)) < len(self.bits) or not all(2 <= bits <= 8 for bits in self.bits):
            raise InputError(f"bits are {self.bits}; expected at least one, from 2 to 8, each once.")
        if self.span not in SPANS:
            raise InputError(f"span is '{self.span}'; there is {', '.join(SPANS)}.")

    def names(self) -> tuple[str, ...]:
        """Names of the variants, such as ``quantisation-4``, or ``quantisation-whole-4``."""
        method = "quantisation" if self.span == "least_squares" else f"quantisation-{self.span}"
        return tuple(f"{method}-{bits}" for bits in self.bits)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """No training."""
        return Work()

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per number of bits. Uses no data and no seed."""
        from evo_ensyth.synthesis.compression._rounding import quantise
        from evo_ensyth.synthesis.layer_surgery import mark_quantised
        from evo_ensyth.synthesis.network import quantisable_layers, weight_matrices

        for name, bits in zip(self.names(), self.bits, strict=True):
            progress(name)
            model, errors = copy.deepcopy(parent), {}
            for place, (layer, part) in quantisable_layers(model).items():
                before = layer.get_parameter(part).detach().clone()
                weight, step = quantise(before, bits, self.span)
                layer.get_parameter(part).data.copy_(weight)
                mark_quantised(layer, step, bits)
                size = float(before.norm())
                errors[place] = {"relative_error": float((weight - before).norm()) / size if size else 0.0}
            others = [place for place in weight_matrices(model) if place not in errors]
            left = {"left": dict.fromkeys(others, "it is one of several matrices of its layer")} if others else {}
            origin = {"method": "quantisation", "bits": bits, "span": self.span}
            yield Variant(name, origin, model, {"layers": errors, **left})
