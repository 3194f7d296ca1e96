"""From a recipe to a finished pool folder; a build that was interrupted continues where it stopped."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evo_ensyth import __version__
from evo_ensyth.errors import InputError
from evo_ensyth.executors import Executor
from evo_ensyth.files import held_folder, sha256
from evo_ensyth.io.pool_folder import PROBE
from evo_ensyth.synthesis import datasets, measure
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.builder import Builder, with_latencies
from evo_ensyth.synthesis.consent import hand_over
from evo_ensyth.synthesis.devices import default_workers, describe_device, find_devices
from evo_ensyth.synthesis.elsewhere import work_elsewhere
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.progress import Progress, silent
from evo_ensyth.synthesis.recipe import OtherParent, Planned, Recipe
from evo_ensyth.synthesis.repair import remove_damaged
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.settings import as_json
from evo_ensyth.synthesis.steps import steps_left
from evo_ensyth.synthesis.workers import Schedule, work_here, work_in_processes


def build_pool(
    recipe: Recipe,
    folder: Path | str,
    *,
    problem: str,
    progress: Progress | None = None,
    device: str = "auto",
    workers: int | None = 0,
    reread: Callable[[], Recipe] | None = None,
    without_failed: bool = False,
    allow_mixed: bool = False,
    repair: bool = False,
    executor: Executor | None = None,
) -> None:
    """Build a pool, continue one that was begun, or extend one whose recipe has grown.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Left as it is if it holds this pool already.
    problem : str
        Name of the problem that the pool is for.
    progress : Progress, optional
        Called with how much of the present stage is done: training the parent, making members.
    device : str
        Where networks are trained and run: ``cpu``, ``cuda`` (every card, each with workers of its own), ``cuda:1``
        (one card), ``mps``, or ``auto``: the kind that the pool was begun on, for a new one what is there.
    workers : int, optional
        Number of processes that make members; 0 to do everything in this one. The pool does not depend on it. None
        stands for as many as keep the processors or the cards busy.
    reread : callable, optional
        Called without arguments in every worker, which follows the recipe that it returns; by default this one is
        sent to it. It must be importable.
    without_failed : bool
        Finish the pool without members that cannot be made, instead of leaving it unfinished.
    allow_mixed : bool
        Continue a pool on another kind of device than it was begun on. Its members are then not those that its recipe
        makes on either.
    repair : bool
        Read all files first, and make again what is not what was written.
    executor : Executor, optional
        Who makes members, in place of ``workers``: on workers that see the folder at the same path.

    Raises
    ------
    InputError
        The folder holds something else, was begun with another recipe or on another kind of device, or is in use by
        another process; or the recipe cannot be followed, or the device is not there.
    UnfinishedError
        Some members could not be made; the others are kept, and the next build tries these again.
    """
    if workers is not None and workers < 0:
        raise InputError(f"workers is {workers}; it must be 0 or more.")
    hand_over(recipe)
    target = BuildFolder(Path(folder), recipe, problem)
    target.check_claim()
    if repair and target.path.exists():
        with held_folder(target.path):
            for part in remove_damaged(target):
                (progress or silent)(0, 0, f"{part} was damaged and is made again")
    devices = find_devices(device, target.device_kinds())
    workers = default_workers(recipe, devices) if workers is None else workers
    with reproducible(recipe.threads, devices[0]):
        is_done = target.is_closed() and not target.failures()
        if not is_done and not allow_mixed:
            target.check_device(devices[0].type)
        builder = None if is_done else Builder(target, devices[0])  # Fails before the folder is created.
        with target.claimed(None if is_done else devices[0].type):
            if builder is not None:
                target.work.mkdir(exist_ok=True)
                _make_members(builder, progress or silent, workers, devices, reread, executor)
                target.check_complete(without_failed=without_failed)
                target.close(n_classes=builder.n_classes, about=_about(builder))


def _make_members(
    builder: Builder,
    progress: Progress,
    workers: int,
    devices: Sequence[torch.device],
    reread: Callable[[], Recipe] | None,
    executor: Executor | None,
) -> None:
    """Make all members and controls that can be made, and write down why others cannot."""
    folder, planned = builder.folder, builder.recipe.planned()
    n_made = sum(folder.is_made(member) for member in planned)
    schedule = Schedule(steps_left(folder), n_made, len(planned), progress)
    if executor is not None:
        work_elsewhere(schedule, folder, executor, devices[0], reread)
    elif workers:
        work_in_processes(schedule, folder, workers, devices, reread)
    else:
        work_here(schedule, builder)
    folder.write_failures(schedule.failures)
    if builder.recipe.latency is not None:
        builder.measure_latencies(builder.recipe.latency, progress)
    if not schedule.failures:
        progress(len(planned), len(planned), "all members")


def _about(builder: Builder) -> dict[str, Any]:
    """What the manifest says about where a pool comes from and what it may be compared with."""
    recipe, folder = builder.recipe, builder.folder
    parent = builder.parent()
    layers = measure.layers(parent)
    if recipe.latency is not None:
        layers = with_latencies(layers, measure.layer_latencies(parent, recipe.latency, {}))
    return {
        "dataset": datasets.name_of(recipe.dataset),
        **_network(recipe, recipe),
        "samples": {split: len(data) for split, data in builder.splits.items()},
        "recipe": as_json(recipe),
        "parent": {"accuracy": builder.accuracies(parent), **_total_costs(layers)},
        **({"probe": sha256((folder.path / PROBE).read_bytes())} if builder.has_probe else {}),
        **({"parents": _other_parents(builder)} if recipe.parents else {}),
        "controls": [
            _control(folder, member) for member in recipe.planned() if member.is_control and folder.is_made(member)
        ],
        "device": describe_device(builder.device),
        **({"devices": list(folder.device_kinds())} if len(folder.device_kinds()) > 1 else {}),
        "versions": {"evo_ensyth": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
    }


def _network(parent: Recipe | OtherParent, recipe: Recipe) -> dict[str, Any]:
    """Name of a parent's network, and for a module of a user's the functions by which it is built again."""
    network = parent.network
    if not isinstance(network, OwnNetwork):
        return {"network": network}
    prepare = recipe.dataset.prepare if isinstance(recipe.dataset, OwnData) else None
    own = {**network.claim(), "prepare": prepare}
    return {"network": network.name, "own": as_json(own)}


def _other_parents(builder: Builder) -> dict[str, Any]:
    about = {}
    for parent in builder.recipe.parents:
        if builder.is_trained(parent.name):
            network = builder.parent(parent.name)
            costs = _total_costs(measure.layers(network))
            how = _network(parent, builder.recipe)
            about[parent.name] = {**how, "accuracy": builder.accuracies(network), **costs}
    return about


def _control(folder: BuildFolder, control: Planned) -> dict[str, Any]:
    member = folder.read(control) or {}
    return {
        "name": control.name,
        "origin": member["origin"],
        "accuracy": member["report"]["accuracy"],
        **_total_costs(member["layers"]),
    }


def _total_costs(layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {cost: sum(layer["costs"][cost] for layer in layers) for cost in layers[0]["costs"]}
