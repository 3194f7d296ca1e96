"""From a recipe to a pool folder; whatever interrupts it, running it again goes on where it was.

Besides what `pool.store` describes and what `steps` works with, the folder holds::

    recipe.json                   what the folder was begun with
    parents/NAME-DIGEST.safetensors          the other parents, if there are any
    controls/members/NAME/        like the members; the manifest tells of them under ``about``
    failed.json                   what could not be made, and why; only if there is such a thing
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evo_ensyth import __version__
from evo_ensyth.errors import InputError, UnfinishedError
from evo_ensyth.files import held_folder
from evo_ensyth.io.pool_folder import read_member, write_manifest
from evo_ensyth.synthesis import measure
from evo_ensyth.synthesis.builder import Workshop, is_made, planned, steps_left, with_latencies
from evo_ensyth.synthesis.recipe import Planned, Recipe, plain
from evo_ensyth.synthesis.status import check_begun, claim, failures, is_closed, keep_claim, keep_failures, told_name
from evo_ensyth.synthesis.training import Progress, reproducible
from evo_ensyth.synthesis.workers import Schedule, work_here, work_in_processes

FAILURES_SHOWN = 3


def build(
    recipe: Recipe,
    folder: Path | str,
    *,
    problem: str,
    progress: Progress | None = None,
    workers: int = 0,
    prepare: Callable[[], object] | None = None,
    without_failed: bool = False,
) -> None:
    """Make a pool, finish one that was begun, or add to one what its recipe has been added.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Nothing is done if it holds this pool already.
    problem : str
        Name of the problem that the pool is for.
    progress : callable, optional
        Told how much of the present stage is done: training the parent, making members.
    workers : int
        Processes at work besides this one; 0 to do everything in this one. The pool is the same.
    prepare : function of nothing, optional
        Called in every worker before it is handed the recipe. It must come from a module that can be imported.
    without_failed : bool
        Finish the pool without members that cannot be made, rather than leave it unfinished.

    Raises
    ------
    InputError
        The folder holds something else, was begun with another recipe, or is being worked on by another process; or the
        recipe cannot be followed.
    UnfinishedError
        Some members could not be made; the others are kept. The next time these are tried again.
    """
    folder = Path(folder)
    if workers < 0:
        raise InputError(f"workers is {workers}; it must be 0 or more.")
    claimed = claim(recipe, problem)
    check_begun(folder, claimed)
    with reproducible(recipe.threads):
        done = is_closed(folder, recipe) and not failures(folder)
        workshop = None if done else Workshop(recipe, folder)
        folder.mkdir(parents=True, exist_ok=True)
        with held_folder(folder):
            keep_claim(folder, claimed)  # Of a pool that is done as well: earlier versions said less.
            if workshop is not None:
                workshop.work.mkdir(exist_ok=True)
                _make(workshop, progress or _silent, workers, prepare)
                _close(workshop, problem, without_failed=without_failed)
            _tidy(folder)


def default_workers(recipe: Recipe) -> int:
    """As many as keep the processors busy that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // recipe.threads)


def _make(workshop: Workshop, progress: Progress, workers: int, prepare: Callable[[], object] | None) -> None:
    """Make all members and controls that can be made, and write down why others cannot."""
    recipe, folder = workshop.recipe, workshop.folder
    everything = planned(recipe)
    n_made = sum(is_made(folder, member) for member in everything)
    schedule = Schedule(steps_left(recipe, folder), n_made, len(everything), progress)
    if workers:
        work_in_processes(schedule, recipe, folder, workers, prepare)
    else:
        work_here(schedule, workshop)
    keep_failures(folder, schedule.failures)
    if recipe.latency is not None:
        workshop.measure_latencies(recipe.latency, progress)
    if not schedule.failures:
        progress(len(everything), len(everything), "all members")


def _close(workshop: Workshop, problem: str, *, without_failed: bool) -> None:
    """Write the manifest, if there is everything that it has to list."""
    recipe, folder = workshop.recipe, workshop.folder
    failed = {told_name(path): reason for path, reason in failures(folder).items()}
    members = [member for member in recipe.members() if is_made(folder, member)]
    if failed and not (without_failed and members):
        told = [f"{name} ({reason})" for name, reason in list(failed.items())[:FAILURES_SHOWN]]
        told += [f"{len(failed) - len(told)} more"] if len(failed) > len(told) else []
        raise UnfinishedError(
            f"{folder}: {len(failed)} of {len(planned(recipe))} could not be made: {', '.join(told)}. The others are "
            "kept; run it again to try these again, or with --without-failed to do without them."
        )
    about = {**_about(workshop), **({"failed": failed} if failed else {})}
    names = [member.name for member in members]
    write_manifest(folder, names, problem=problem, n_classes=workshop.n_classes, about=about)


def _about(workshop: Workshop) -> dict[str, Any]:
    """Tell in the manifest where a pool comes from and what it may be compared with."""
    recipe, parent = workshop.recipe, workshop.parent()
    layers = measure.layers(parent)
    if recipe.latency is not None:
        layers = with_latencies(layers, measure.layer_latencies(parent, recipe.latency, {}))
    return {
        "dataset": recipe.dataset,
        "network": recipe.network,
        "samples": {split: len(data) for split, data in workshop.splits.items()},
        "recipe": plain(recipe),
        "parent": {"accuracy": workshop.accuracies(parent), **_total_costs(layers)},
        **({"parents": _other_parents(workshop)} if recipe.parents else {}),
        "controls": [
            _described(workshop.folder / "controls", control)
            for control in recipe.planned_controls()
            if is_made(workshop.folder, control)
        ],
        "versions": {"evo_ensyth": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
    }


def _other_parents(workshop: Workshop) -> dict[str, Any]:
    told = {}
    for parent in workshop.recipe.parents:
        if workshop.is_trained(parent.name):
            network = workshop.parent(parent.name)
            costs = _total_costs(measure.layers(network))
            told[parent.name] = {"network": parent.network, "accuracy": workshop.accuracies(network), **costs}
    return told


def _tidy(folder: Path) -> None:
    """Remove what only the making needed, and what a kill left half written."""
    if (folder / "work").exists():
        shutil.rmtree(folder / "work")
    for place in (folder, folder / "parents", folder / "members", folder / "controls" / "members"):
        for part in place.glob(".*.part"):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()


def _described(folder: Path, control: Planned) -> dict[str, Any]:
    member = read_member(folder, control.name) or {}
    return {
        "name": control.name,
        "origin": member["origin"],
        "accuracy": member["report"]["accuracy"],
        **_total_costs(member["layers"]),
    }


def _total_costs(layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {cost: sum(layer["costs"][cost] for layer in layers) for cost in layers[0]["costs"]}


def _silent(done: int, total: int, text: str) -> None:
    """Tell nobody."""
