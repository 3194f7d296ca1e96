"""Local response normalisation with its own gradient: torch's is slow, and has no deterministic form on CUDA.

Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, section 3.
"""

from typing import Any

import torch
from torch import nn


class LocalResponseNorm(nn.LocalResponseNorm):
    """Divide by ``(k + alpha / size * s)^beta``, s being the sum of squares of ``size`` neighbouring channels.

    It computes in float32, also under autocast, and answers as torch's module does but for rounding.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise (n_samples, channels, height, width)."""
        normalised: torch.Tensor = _Normalise.apply(values, self.size, self.alpha / self.size, self.beta, self.k)  # type: ignore[no-untyped-call]
        return normalised


class _Normalise(torch.autograd.Function):
    """With d = k + alpha s, y is x d^-beta, and dL/dx is g d^-beta - 2 alpha beta x t.

    g being dL/dy, t is the sum of g x d^(-beta - 1) over neighbouring channels. Such sums are products with a band
    matrix: for some dozens of channels this is faster than adding.
    """

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
        with torch.autocast(values.device.type, enabled=False):
            exact = values.float() if values.dtype == torch.bfloat16 else values
            band = _band(exact, size)
            scale = _neighbours(exact.square(), band).mul_(alpha).add_(k)
            factor = _power(scale, beta).reciprocal_()
            ctx.save_for_backward(exact, scale, factor, band)
            ctx.rate = 2 * alpha * beta
            return (exact * factor).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        exact, scale, factor, band = ctx.saved_tensors
        (slope,) = slopes
        with torch.autocast(slope.device.type, enabled=False):
            passed = slope.to(exact.dtype) * factor
            shared = _neighbours((passed * exact).div_(scale), band.T)
            return passed.addcmul_(exact, shared, value=-ctx.rate).to(slope.dtype), None, None, None, None


def _band(values: torch.Tensor, size: int) -> torch.Tensor:
    """Matrix of zeros and ones, (channels, channels), that adds up the window of each channel, as torch places it."""
    channel = torch.arange(values.shape[1], device=values.device)
    offset = channel - channel[:, None]
    return ((offset >= -(size // 2)) & (offset <= (size - 1) // 2)).to(values.dtype)


def _neighbours(values: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
    """Sums over the window of each channel, in the layout of the values: channels first, or last."""
    if values.is_contiguous(memory_format=torch.channels_last):
        return (values.permute(0, 2, 3, 1) @ band.T).permute(0, 3, 1, 2)
    return (band @ values.flatten(2)).view(values.shape)


def _power(scale: torch.Tensor, beta: float) -> torch.Tensor:
    if beta == 0.75:  # the usual one, in which two roots are much faster than a power
        root = scale.sqrt()
        return root.sqrt().mul_(root)
    return scale.pow(beta)
