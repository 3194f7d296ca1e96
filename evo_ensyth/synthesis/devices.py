"""Devices that networks are trained and run on: which one is meant, and what a pool records of it.

Networks, variants and answers rest in the processor's memory, and whatever ranks, masks or draws weights works there.
A device trains, predicts and solves Net-Trim's programs; what it is given is copied to it, and the result copied back.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from evo_ensyth.errors import EvoEnsythError, InputError

if TYPE_CHECKING:
    from evo_ensyth.synthesis.recipe import Recipe

CPU = torch.device("cpu")
NAMES = "auto, cpu, cuda, cuda:1 (the second card) or mps"
DRIVER = Path("/proc/driver/nvidia/version")


def find_devices(name: str, begun: Sequence[str] = ()) -> tuple[torch.device, ...]:
    """Return the devices that a name stands for: for ``cuda`` every card, otherwise one.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. ``auto`` is the first of CUDA, MPS and the CPU that is
        there.
    begun : sequence of str
        Kinds of device that ``auto`` prefers, where they are there.

    Raises
    ------
    InputError
        The name means nothing, or the device is not there.
    """
    there = _there()
    if name == "auto":
        kinds = [device.type for device in there]
        kind = next((kind for kind in (*begun, "cuda", "mps") if kind in kinds), "cpu")
        return tuple(device for device in there if device.type == kind)
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise InputError(f"device is '{name}'; expected {NAMES}.")
    found = tuple(device for device in there if name in (device.type, str(device)))
    if not found:
        others = ", ".join(map(str, there))
        raise InputError(f"device is '{name}', which torch {torch.__version__} does not see here; there is {others}.")
    return found


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64; MPS does not."""
    return device.type != "mps"


def describe_device(device: torch.device) -> dict[str, Any]:
    """What a pool records of the device it was made on; plain JSON values."""
    about: dict[str, Any] = {"kind": device.type}
    if device.type == "cuda":
        about |= {"card": torch.cuda.get_device_name(device), "cuda": torch.version.cuda, "driver": _driver()}
        about |= {"cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    return {**about, "torch": str(torch.__version__)}


def default_workers(recipe: "Recipe", devices: Sequence[torch.device] = (CPU,)) -> int:
    """Number of workers that keeps the processors busy that this process may use, or one for each other device."""
    if devices[0] != CPU:
        return len(devices)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // recipe.threads)


@contextmanager
def memory_reported(device: torch.device) -> Iterator[None]:
    """Turn a card's lack of memory into an error that says what to do.

    Raises
    ------
    EvoEnsythError
        The card ran out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EvoEnsythError(
            f"{device} ran out of memory{_memory(device)}; use fewer workers, a smaller batch or stack in the recipe, "
            "or the device cpu."
        ) from error


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16 natively; otherwise bfloat16 is slower than float32."""
    if device != CPU:
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _there() -> tuple[torch.device, ...]:
    cards = tuple(torch.device("cuda", index) for index in range(torch.cuda.device_count()))
    return (*cards, *((torch.device("mps"),) if torch.backends.mps.is_available() else ()), CPU)


def _driver() -> str | None:
    """Version of NVIDIA's driver, as Linux knows it."""
    try:
        found = re.search(r"\b\d+\.\d+(\.\d+)?\b", DRIVER.read_text())
    except OSError:
        return None
    return found and found[0]


def _memory(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    return f" ({free // 2**20:,} of {total // 2**20:,} MiB are free)"
