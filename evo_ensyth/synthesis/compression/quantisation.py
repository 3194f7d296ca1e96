"""Quantisation after training: weights become whole numbers of a step, each output of a layer with a step of its own.

Symmetric and uniform, in the style of Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference:
A whitepaper", arXiv 1806.08342 (2018); to search for the step of least squared error is common practice. Weights only:
biases, what flows between layers, and the multiplications stay as they are.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis.compression import Material, Told, Variant, Work, silent
from evo_ensyth.synthesis.layer_surgery import mark_quantised
from evo_ensyth.synthesis.networks import Network, weighted_layers

SPANS = ("least_squares", "whole")
SHARES = tuple(percent / 100 for percent in range(100, 19, -1))  # of the largest weight, tried by least_squares
STEP_DIGITS = 16  # binary; a step times a code of 8 bits is then exact as float32


@dataclass(frozen=True)
class Quantisation:
    """One variant per number of bits, in the order given.

    Attributes
    ----------
    bits : tuple of int
        Of a weight, 2 to 8. There are 2^bits - 1 levels, as many below zero as above it.
    span : str
        What the levels span. ``whole``: up to the largest weight of the output, so that no weight moves by more than
        half a step. ``least_squares``: up to the share of it at which the squared error of the output's weights is
        least; weights beyond become the outermost level. The fewer the bits, the more that is worth.

    Raises
    ------
    InputError
        A setting out of its range.
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
        """Name the variants, such as ``quantisation-4``, or ``quantisation-whole-4``."""
        method = "quantisation" if self.span == "least_squares" else f"quantisation-{self.span}"
        return tuple(f"{method}-{bits}" for bits in self.bits)

    def work(self, parent: Network, n_calibration: int) -> Work:
        """Tell what it will do: no training."""
        return Work()

    def variants(
        self,
        parent: Network,
        material: Material,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Told = silent,
    ) -> Iterator[Variant]:
        """Yield one variant per number of bits. Looks at no data and draws nothing."""
        for name, bits in zip(self.names(), self.bits, strict=True):
            progress(name)
            model, errors = copy.deepcopy(parent), {}
            for place, layer in weighted_layers(model).items():
                before = layer.weight.detach().clone()
                weight, step = quantise(before, bits, self.span)
                layer.weight.data.copy_(weight)
                mark_quantised(layer, step, bits)
                size = float(before.norm())
                errors[place] = {"relative_error": float((weight - before).norm()) / size if size else 0.0}
            yield Variant(name, {"method": "quantisation", "bits": bits, "span": self.span}, model, {"layers": errors})


def quantise(weight: torch.Tensor, bits: int, span: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Round every weight to a whole number of its output's step.

    Parameters
    ----------
    weight : float32, (n_outputs, ...)
    bits : int
    span : str
        One of `SPANS`.

    Returns
    -------
    float32, like ``weight``, and float32, (n_outputs,)
        The rounded weights, and the steps. Zero stays zero, and what is rounded already stays as it is, bit for bit.
    """
    rows = weight.flatten(1)
    peaks = rows.abs().amax(dim=1)
    largest = largest_code(bits)
    rounded, steps, least = torch.zeros_like(rows), torch.ones_like(peaks), rows.new_full((len(rows),), torch.inf)
    for share in SHARES if span == "least_squares" else SHARES[:1]:
        candidate = torch.where(peaks > 0, rounded_up(share * peaks / largest), 1.0)
        codes = (rows / candidate[:, None]).round().clamp(-largest, largest)
        weights = codes * candidate[:, None] + 0.0  # makes 0 of -0
        error = (weights - rows).square().sum(dim=1)
        better = error < least
        rounded = torch.where(better[:, None], weights, rounded)
        steps, least = torch.where(better, candidate, steps), torch.where(better, error, least)
    return rounded.view_as(weight), steps


def largest_code(bits: int) -> int:
    """Outermost level on either side of zero."""
    return int(2 ** (bits - 1)) - 1


def rounded_up(steps: torch.Tensor) -> torch.Tensor:
    """Steps with few binary digits, so that no product with a code is rounded; up, so that none falls off the end."""
    mantissa, exponent = torch.frexp(steps)
    scale = 2**STEP_DIGITS
    return torch.ldexp((mantissa * scale).ceil() / scale, exponent)
