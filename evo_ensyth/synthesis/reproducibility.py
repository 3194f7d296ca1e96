"""Seeds for many purposes from one, and torch computing the same bits every time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CUBLAS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"  # without which cuBLAS may answer differently the second time


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Seed for one purpose, independent of what else is drawn and in what order."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits.


@contextmanager
def drawing(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python, and put them back afterwards.

    Dropout, and functions of users, know only these.

    Parameters
    ----------
    seed : int
    device : torch.device, optional
        A CUDA card, whose generator is seeded too.
    """
    import random

    import numpy as np
    import torch

    drawn = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            yield
    finally:
        random.setstate(drawn[0])
        np.random.set_state(drawn[1])  # noqa: NPY002


@contextmanager
def reproducible(threads: int, device: torch.device | None = None) -> Iterator[None]:
    """Run torch with a fixed number of threads and deterministic algorithms; restore its settings afterwards.

    An operation that has no deterministic form on the device fails, with its name.

    Parameters
    ----------
    threads : int
    device : torch.device, optional
        A CUDA card becomes the current one, and computes float32 products in float32, not in TF32.
    """
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        if device is not None and device.type == "cuda":
            with _exact_card(device):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


@contextmanager
def _exact_card(device: torch.device) -> Iterator[None]:
    import torch

    os.environ.setdefault(*CUBLAS)  # read when the first product is computed
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    filling: Any = torch.utils.deterministic
    before = cudnn.allow_tf32, products.allow_tf32, filling.fill_uninitialized_memory
    cudnn.allow_tf32 = products.allow_tf32 = False
    filling.fill_uninitialized_memory = False  # It costs a kernel for every tensor, and nothing reads such memory.
    try:
        with torch.cuda.device(device):
            yield
    finally:
        cudnn.allow_tf32, products.allow_tf32, filling.fill_uninitialized_memory = before
