"""Commands of the program as children that can be killed, and what they need: a file of predictions, a small problem.

Children are forked from a process that has imported the program, which would take most of their time, and has done
nothing else.
"""

import atexit
import hashlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from oracles.votes import random_votes

PRELOADED = ["hardening.all", "evo_ensyth.cli.main", "evo_ensyth.api"]
FOR_BUILDS = ["evo_ensyth.synthesis.build", "sklearn.datasets", "torch._dynamo"]
PROBLEM = '''
from evo_ensyth.synthesis import FineTuning, Magnitude, Recipe, Training
from evo_ensyth.workspace import Problem, stored_problem


def recipe() -> Recipe:
    return Recipe(
        dataset="digits", n_search=500, network="small", training=Training(epochs=3, batch=100),
        compressors=(Magnitude({sparsities}),),
        fine_tunings=(FineTuning(name="none", epochs=0), FineTuning(name="some", epochs=1, batch=100)),
        n_calibration=10,
    )


def problem() -> Problem:
    return stored_problem(__name__)
'''  # fmt: skip
PROBLEMS = {"tiny": (0.3, 0.5, 0.8), "smallest": (0.5,)}
BUILD = ("pool", "build", "tiny", "--workers", "0", "--quiet")
FINAL = 600.0  # seconds after which a command is taken to hang


@cache
def context() -> Any:
    """Of processes that are forked from one that has imported everything."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def begin(folder: Path, arguments: tuple[str, ...], prepare: Callable[[], object] | None = None) -> BaseProcess:
    """Start a command in a folder; what it prints goes into the files ``out`` and ``err`` there."""
    process: BaseProcess = context().Process(target=_run, args=(folder, arguments, prepare))
    process.start()
    return process


def finish(folder: Path, arguments: tuple[str, ...], prepare: Callable[[], object] | None = None) -> int:
    """Run a command to its end; return its exit status, below 0 if a signal ended it."""
    process = begin(folder, arguments, prepare)
    process.join(FINAL)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"no end: {' '.join(arguments)}")
    return process.exitcode


def said(folder: Path) -> str:
    """What the last command in a folder printed on standard error."""
    return (folder / "err").read_text(errors="replace")


def _run(folder: Path, arguments: tuple[str, ...], prepare: Callable[[], object] | None) -> None:
    os.chdir(folder)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    # Checkpoints, parts and the sample before a proof are as small as a search of a second.
    from evo_ensyth.selection.exact import proof
    from evo_ensyth.selection.selectors.exact import exact

    exact.SECONDS_BETWEEN_CHECKPOINTS = 0.05
    proof.LARGEST_PART = proof.SMALLEST_PART = 2**9
    proof.SECONDS_OF_SAMPLING = 0.1
    if prepare is not None:
        prepare()
    from evo_ensyth.cli import main

    sys.argv = ["evo-ensyth", *arguments]
    sys.stdin = open(os.devnull)  # noqa: SIM115
    main.main()


@cache
def begun() -> Path:
    """A folder with what commands need: votes.npz and problems."""
    folder = Path(tempfile.mkdtemp(prefix="harden-"))
    atexit.register(shutil.rmtree, folder)
    labels, truth = random_votes(np.random.default_rng(8), 16, 400, 4, 0.6)
    np.savez(folder / "votes.npz", labels=labels, truth=truth, cost_ms=np.arange(1, 17))
    (folder / "problems").mkdir()
    for name, sparsities in PROBLEMS.items():
        (folder / "problems" / f"{name}.py").write_text(PROBLEM.format(sparsities=sparsities))
    return folder


@cache
def built() -> Path:
    """The same, with the pool of the problem, and a run on it."""
    folder = Path(tempfile.mkdtemp(prefix="harden-"))
    atexit.register(shutil.rmtree, folder)
    copied(folder, pool=False)
    for arguments in (BUILD, ("search", "tiny", "--budget", "200", "--folds", "0", "--out", "run", "--quiet")):
        if finish(folder, arguments) != 0:
            raise SystemExit(said(folder))
    return folder


def copied(folder: Path, *, pool: bool = True) -> None:
    """Put what commands need into a folder."""
    shutil.copytree(built() if pool else begun(), folder, dirs_exist_ok=True)


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def leftovers(folder: Path) -> list[str]:
    """Unfinished files and folders that lie about."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.part"))
