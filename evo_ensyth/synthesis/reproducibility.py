"""Seeds for many purposes from one, and torch computing the same bits every time."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Seed for one purpose, independent of what else is drawn and in what order."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits.


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Run torch with a fixed number of threads and deterministic algorithms; restore its settings afterwards."""
    import torch

    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
