"""How kernels are compiled, and when cached machine code is out of date.

numba caches the machine code of a function together with that of all functions it calls, and recompiles it when the
function's own file changes. It does not notice a change of a callee in another file. Here, cached machine code is
therefore out of date as soon as any file with kernels changes.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit
from numba.core import event
from numba.core.caching import FunctionCache, IndexDataCacheFile

PACKAGE = Path(__file__).parents[2]
# numba holds a lock while it compiles, so the clock of a nested or a later compilation starts where the last one ended.
_CLOCK = event.TimingListener()
event.register("numba:compile", _CLOCK)
HOLDS_KERNELS = re.compile(r"^@(compiled|inlined|leaf|inlined_leaf|intrinsic)\b", re.MULTILINE)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function so that it releases the GIL, and cache the machine code on disk if there is a writable folder.

    With ``NUMBA_DISABLE_JIT=1`` it remains a Python function.
    """
    return _cached(function)


def leaf(function: Callable[..., Any]) -> Any:
    """Compile a function that allocates no arrays and returns none, so that nobody counts references to them.

    Counting takes two atomic instructions for each array and call, or slice, which is much for a short function, and
    more on several threads. A kernel with loops worth it allocates, and leaves the loops to a leaf.
    """
    return _cached(function, _nrt=False)


def inlined_leaf(function: Callable[..., Any]) -> Any:
    """Compile a leaf that LLVM has to merge into its callers: for values in registers, which a call would store."""
    return _cached(function, _nrt=False, forceinline=True)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into each of its callers. For functions with a single caller, or cheaper than a call.

    LLVM optimises compiled functions again in each caller, so this saves compile time.
    """
    return np.errstate(over="ignore")(function) if config.DISABLE_JIT else njit(inline="always")(function)


def _cached(function: Callable[..., Any], **options: bool) -> Any:
    if config.DISABLE_JIT:
        return np.errstate(over="ignore")(function)  # compiled integers wrap around silently
    kernel = njit(nogil=True, **options)(function)
    with suppress(RuntimeError):  # numba found no writable folder: compile again in every process
        kernel._cache = _Cache(function)
    return kernel


def kept_on_disk(kernel: Any) -> bool:
    """Whether the machine code of a kernel is cached on disk, so that only the first process waits for it."""
    return not config.DISABLE_JIT and kernel.stats.cache_path is not None


def seconds_compiling() -> float:
    """Seconds that this process has spent on compiling; loading machine code from disk takes hardly any."""
    return _CLOCK.duration if _CLOCK.done else 0.0


@cache
def kernel_sources() -> tuple[Path, ...]:
    """Files of the package that contain kernels, and this one."""
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(file for file in files if file == Path(__file__) or HOLDS_KERNELS.search(file.read_text("utf-8")))


@cache
def _hash_of_sources() -> str:
    digest = hashlib.sha256()
    for file in kernel_sources():
        content = file.read_bytes()
        digest.update(f"{file.relative_to(PACKAGE)} {len(content)} ".encode() + content)
    return digest.hexdigest()


class _Cache(FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, in the folder that numba chooses, with a stamp that covers all kernel sources.

    Files with another stamp are overwritten. Their names leave out the line number that numba adds, so that old files
    do not pile up.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = (self._impl.locator.get_source_stamp(), _hash_of_sources())
        name = self._impl.filename_base.replace(f"-{self._impl.locator.get_disambiguator()}", "", 1)
        self._cache_file = IndexDataCacheFile(self._cache_path, name, stamp)
