"""The same search in other surroundings: the same front byte for byte, or one line that says what is missing."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from hardening.commands import copied
from hardening.counts import ROOT, Harness, scratch

# Selectors that promise the same bytes anywhere.
SELECTORS = (
    "nsga2",
    "exact",
    "backward_elimination",
    "forward_greedy",
    "local_search",
    "random",
    "qdo_es",
    "pareto_ensemble_pruning",
)
SURROUNDINGS: dict[str, dict[str, str]] = {
    "generic processor": {"NUMBA_CPU_NAME": "generic"},
    "no AVX2, no AVX-512 in NumPy": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"},
    "one thread": {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "four threads": {"NUMBA_NUM_THREADS": "4"},
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "locale C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "time zone of Kiritimati": {"TZ": "Pacific/Kiritimati"},
    "no cache": {"NUMBA_CACHE_DIR": "{folder}/cache"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "not compiled": {"NUMBA_DISABLE_JIT": "1"},
    "no home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "MPLCONFIGDIR": "/nonexistent"},
}  # fmt: skip


def search(
    folder: Path, selector: str, changes: dict[str, str], limit: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Search in a folder with another environment; returns status and what was said on standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | {k: v.format(folder=folder) for k, v in changes.items()}
    command = (
        ["search", "votes.npz", "--selector", selector, "--max-size", "5"]
        if selector == "exact"
        else ["search", "votes.npz", "--selector", selector]
    )
    command += ["--budget", "1000"] if selector != "exact" else []
    said = subprocess.run(
        [sys.executable, "-m", "evo_ensyth", *command, "--folds", "0", "--quiet", "--out", "made"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600, preexec_fn=limit,
    )  # fmt: skip
    return said.returncode, said.stderr


@cache
def front(selector: str) -> bytes:
    """What a selector finds in the usual surroundings."""
    with scratch() as folder:
        copied(folder, pool=False)
        status, said = search(folder, selector, {})
        if status != 0:
            raise SystemExit(said)
        return (folder / "made" / "front.csv").read_bytes()


def elsewhere(number: int, folder: Path) -> str:
    """Search with one selector in one of the surroundings."""
    name = list(SURROUNDINGS)[number % len(SURROUNDINGS)]
    selector = SELECTORS[number // len(SURROUNDINGS) % len(SELECTORS)]
    copied(folder, pool=False)
    status, said = search(folder, selector, SURROUNDINGS[name])
    assert status == 0, f"{selector}, {name}: {said[-300:]}"
    assert (folder / "made" / "front.csv").read_bytes() == front(selector), f"{selector}, {name}: another front"
    return "the same"


def _limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, value))


def too_little(number: int, folder: Path) -> str:
    """Search with little address space, few descriptors, or files that may not be large."""
    kind, step = number % 3, number // 3
    copied(folder, pool=False)
    limits = (
        partial(_limit, resource.RLIMIT_AS, (200 + 61 * step) * 2**20),
        partial(_limit, resource.RLIMIT_NOFILE, 5 + step),
        partial(_size_limit, 2**10 * (1 + 3 * step)),
    )
    status, said = search(folder, "backward_elimination", {"PYTHONDONTWRITEBYTECODE": "1"}, limits[kind])
    assert "Traceback" not in said, f"{kind} {step}: {said[-300:]}"
    assert status in (0, 2, 3), f"{kind} {step}: status {status}: {said[-300:]}"
    made = folder / "made"
    assert status != 0 or (made / "front.csv").read_bytes() == front("backward_elimination")
    assert status == 0 or said.strip(), f"{kind} {step}: nothing was said"
    return "the same" if status == 0 else "refused"


def _size_limit(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _limit(resource.RLIMIT_FSIZE, size)


LONG = ("--seconds", "60", "--patience", "0", "--folds", "0", "--quiet")


def stopped(number: int, folder: Path) -> str:
    """End a search by a signal at a moment of its first seconds: it ends soon, with the status of the signal."""
    which = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3]
    copied(folder, pool=False)
    search = subprocess.Popen(
        [sys.executable, "-m", "evo_ensyth", "search", "votes.npz", "--out", "made", *LONG],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.3 + 0.37 * (number % 17))
    search.send_signal(which)
    start = time.monotonic()
    said = search.communicate(timeout=120)[1]
    assert search.returncode in (128 + which, -which), f"{which.name}: status {search.returncode}: {said[-300:]}"
    assert "Traceback" not in said, f"{which.name}: {said[-300:]}"
    assert time.monotonic() - start < 50, f"{which.name}: took {time.monotonic() - start:.0f} s"
    return "kept what it found" if (folder / "made" / "run.json").exists() else "before anything was found"


HARNESSES = (
    Harness(
        "elsewhere",
        "other processors, threads, hash seeds, locales, time zones, caches, compiled or not: the same front",
        len(SELECTORS) * len(SURROUNDINGS),
        0,
        elsewhere,
    ),
    Harness(
        "too-little",
        "little address space, few descriptors, small files: one line or the same front",
        60,
        0,
        too_little,
    ),
    Harness(
        "stopped",
        "SIGINT, SIGTERM, SIGHUP in the first seconds: status of the signal, what was found is kept",
        102,
        0,
        stopped,
    ),
)
