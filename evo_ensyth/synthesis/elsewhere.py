"""Doing the steps of a build on the workers of an executor, which share the folder of the pool with this process."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.executors import Executor, Future
from evo_ensyth.executors.tasks import SECONDS_BETWEEN_LOOKS, WorkerKilled, begin, number_of_workers, result_of
from evo_ensyth.executors.versions import check_versions
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.builder import Builder
from evo_ensyth.synthesis.recipe import Recipe
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.steps import Step
from evo_ensyth.synthesis.workers import Schedule, heed, outcome_of


@dataclass(frozen=True)
class Build:
    """What workers need to know of a build.

    Attributes
    ----------
    sign : Path
        A file that is there while the build goes on. Builds are the same where it is.
    path : Path
    problem : str
    recipe : Recipe or function to Recipe
        A recipe, or what reads it where its functions cannot be sent.
    device : torch.device
    torch : str
        Version of PyTorch.
    """

    sign: Path
    path: Path = field(compare=False)
    problem: str = field(compare=False)
    recipe: Recipe | Callable[[], Recipe] = field(compare=False)
    device: torch.device = field(compare=False)
    torch: str = field(compare=False)


def work_elsewhere(
    schedule: Schedule,
    folder: BuildFolder,
    executor: Executor,
    device: torch.device,
    reread: Callable[[], Recipe] | None = None,
) -> None:
    """Do all steps on the workers of an executor, one on each at a time.

    A step whose workers are killed is tried again, as often as with processes of this machine. Dask blames all that lay
    with a worker, so those trials are made while nothing else is under way.

    Raises
    ------
    InputError
        The recipe cannot be followed, or a worker has another version or does not see the folder.
    UnfinishedError
        The executor has ended.
    """
    path = folder.path.resolve()
    sign = path / folder.work.name / f"at-work-{socket.gethostname()}-{os.getpid()}"
    build = Build(sign, path, folder.problem, reread or folder.recipe, device, str(torch.__version__))
    under_way: dict[Future, Step] = {}
    blamed: list[Step] = []
    alone: Future | None = None

    def start(step: Step) -> Future:
        titles = [member.title for member in step.members]
        # A member may hold functions that cannot be sent.
        task = begin(executor, do_step, build, replace(step, members=()), titles)
        under_way[task] = step
        schedule.report(step, 0, 1, f"{step.name}, on a worker")
        return task

    sign.touch()
    try:
        while True:
            if blamed and not under_way:
                alone = start(blamed.pop(0))
            while not blamed and alone not in under_way and len(under_way) < number_of_workers(executor):
                if (step := schedule.next()) is None:
                    break
                start(step)
            if not under_way:
                return
            for task in [task for task in under_way if task.done()]:
                step = under_way.pop(task)
                try:
                    for message in result_of(task):
                        heed(schedule, step, *message)
                except WorkerKilled:
                    if task is alone:
                        schedule.died(step, "its worker was killed, as happens where memory runs out")
                    else:
                        blamed.append(step)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        sign.unlink(missing_ok=True)
        for task in under_way:
            task.cancel()


def do_step(build: Build, step: Step, titles: list[str]) -> list[tuple[Any, ...]]:
    """Do a step on a worker; return what it gives and what became of it, see `outcome_of`.

    Raises
    ------
    InputError
        This worker has another version of PyTorch or does not see the folder.
    """
    worker = f"on {socket.gethostname()}"
    check_versions({"torch": str(torch.__version__)}, {"torch": build.torch}, worker)
    if not build.sign.exists():
        raise InputError(f"the worker {worker} does not see {build.path}; start workers that share this folder.")
    given: list[tuple[Any, ...]] = []

    def send(message: tuple[Any, ...]) -> None:
        if not build.sign.exists():
            raise EvoEnsythError("the build has ended")
        if message[0] != "report":
            given.append(message)

    recipe = _recipe(build)
    with reproducible(recipe.threads, build.device):
        builder = _builder(build)
        planned = {member.title: member for member in builder.recipe.planned()}
        step = replace(step, members=tuple(planned[title] for title in titles))
        given.append(outcome_of(builder, step, send))
    return given


@lru_cache(maxsize=1)
def _recipe(build: Build) -> Recipe:
    return build.recipe() if callable(build.recipe) else build.recipe


@lru_cache(maxsize=1)
def _builder(build: Build) -> Builder:
    return Builder(BuildFolder(build.path, _recipe(build), build.problem), build.device)
