"""Keeping the weights of largest magnitude."""

from collections.abc import Sequence
from typing import Any

import torch


@torch.no_grad()
def keep_largest(tensors: Sequence[torch.Tensor], kept: int) -> None:
    """Set all but the ``kept`` entries of largest magnitude to zero, in place; of equal ones the earlier stays."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    # Stable, unlike topk: which of two equal weights goes must not depend on the machine.
    order = flat.abs().argsort(descending=True, stable=True)
    flat[order[kept:]] = 0
    for tensor, values in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(values.view_as(tensor))


def density_report(*tensors: torch.Tensor) -> dict[str, Any]:
    """Number of entries that are not zero, and their share; plain JSON values."""
    nonzeros = sum(int(tensor.count_nonzero()) for tensor in tensors)
    return {"nonzeros": nonzeros, "density": nonzeros / sum(tensor.numel() for tensor in tensors)}
