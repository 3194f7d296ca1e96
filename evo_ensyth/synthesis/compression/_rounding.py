"""Rounding of weights to integer multiples of a step, one step for each output."""

import torch

SHARES = tuple(percent / 100 for percent in range(100, 19, -1))  # of the largest weight, tried by least_squares
STEP_DIGITS = 16  # binary; a step times a code of 8 bits is then exact in float32


def quantise(weight: torch.Tensor, bits: int, span: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Round every weight to an integer multiple of its output's step.

    Parameters
    ----------
    weight : float32, (n_outputs, ...)
    bits : int
    span : str
        ``least_squares`` or ``whole``, see `Quantisation`.

    Returns
    -------
    rounded : float32, like ``weight``
        Zero stays zero, and weights that are rounded already stay the same, bit for bit.
    steps : float32, (n_outputs,)
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
    """Round steps up to few binary digits: their products with codes are exact, and no code exceeds the largest."""
    mantissa, exponent = torch.frexp(steps)
    scale = 2**STEP_DIGITS
    return torch.ldexp((mantissa * scale).ceil() / scale, exponent)
