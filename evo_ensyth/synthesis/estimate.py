"""Estimate of the time and disk space that a recipe will take.

A few training steps are timed for each network and setting, and multiplied by the number of steps that the settings
imply. Processor time is measured, so that time taken by other programs does not count; for a card, time that passes.
The estimate is a range, since nobody knows beforehand how long the solvers of Net-Trim iterate, or when a training with
patience stops.
"""

import heapq
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from evo_ensyth.io.manifest import SPLITS
from evo_ensyth.synthesis import datasets, measure
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.builder import Builder
from evo_ensyth.synthesis.compression import Descents, work_of
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.devices import CPU, default_workers, find_devices
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.layer_surgery import as_safetensors
from evo_ensyth.synthesis.parents import of_recipe
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.steps import Step, steps_left
from evo_ensyth.synthesis.training import FineTuning, OwnFineTuning, Training

# Factors of the measured time: caches, other programs on the machine, work that is not counted.
LEAST, MOST = 0.8, 1.5
STARTING = 4.0  # seconds, for a process to import torch and read the data
BETWEEN = 0.05  # seconds around a step: files, digests, costs
TIMED = 0.3  # seconds of training steps to time
STEPS_TIMED = 20
CHECKPOINT = 3  # times the weights: Adam keeps two numbers for each
JSON_BYTES = 4_000
PRODUCT = 768  # rows and columns of a matrix product to time


@dataclass(frozen=True)
class Estimate:
    """What remains to be done for a pool.

    Attributes
    ----------
    seconds : (float, float)
        For the members that are not made yet, at least and at most, without those in ``unknown``.
    unknown : tuple of str
        Members and controls whose methods do not estimate their work, or that a loop of the user's tunes.
    workers : int
    n_made, n_planned : int
        Numbers of members and controls.
    kept_bytes, peak_bytes : int
        Size of the whole pool: when it is finished, and at most while it is built.
    memory_bytes : int
        Main memory of all processes: what this one took to time steps, and what ranking all weights adds.
    left : mapping of str to str
        Methods that a default recipe leaves out, each with the reason.
    """

    seconds: tuple[float, float]
    unknown: tuple[str, ...]
    workers: int
    n_made: int
    n_planned: int
    kept_bytes: int
    peak_bytes: int
    memory_bytes: int = 0
    left: Mapping[str, str] = field(default_factory=dict)


Seconds = tuple[float, float]


def estimate_pool(folder: BuildFolder, *, workers: int | None, progress: Progress, device: str = "auto") -> Estimate:
    """Estimate what remains to be done for a pool; takes some seconds, and writes nothing.

    Parameters
    ----------
    folder : BuildFolder
        What is there already takes no time.
    workers : int, optional
        Number of worker processes; 0 for this process alone. None as for `build_pool`.
    progress : Progress
        Called with what is being timed.
    device : str
        As for `build_pool`.

    Raises
    ------
    InputError
        The data set cannot be read, the recipe cannot be followed, or the device is not there.
    """
    recipe = folder.recipe
    members = recipe.planned()
    devices = find_devices(device, folder.device_kinds())
    workers = default_workers(recipe, devices) if workers is None else workers
    with reproducible(recipe.threads, devices[0]):
        progress(0, 0, f"reading {datasets.name_of(recipe.dataset)}")
        builder = Builder(folder, devices[0])
        steps = steps_left(folder)
        clock = _Clock(builder, progress)
        timed = [(step, clock.of_step(step)) for step in steps]
        unknown = {step.name for step, seconds in timed if seconds is None}
        least, most = (
            _makespan([(step, 0.0 if seconds is None else seconds[end]) for step, seconds in timed], max(1, workers))
            for end in (0, 1)
        )
        kept, peak = _bytes(builder, steps)
    n_made = sum(map(folder.is_made, members))
    if n_made == len(members):
        least = most = 0.0
    elif recipe.latency is not None:
        calls = recipe.latency.repeats + measure.WARM_UPS
        spent = (len(members) - n_made) * calls * recipe.latency.batch * clock.predict(None)
        least, most = least + spent, most + spent
    return Estimate(
        seconds=(LEAST * least, MOST * (most + (STARTING if most and workers else 0.0))),
        unknown=tuple(
            title
            for step in steps
            if step.kind == "make" and not unknown.isdisjoint((step.name, folder.label(step.members[0])))
            for title in step.gives
        ),
        workers=workers,
        n_made=n_made,
        n_planned=len(members),
        kept_bytes=kept,
        peak_bytes=peak,
        memory_bytes=max(1, workers) * _memory(builder),
    )


class _Clock:
    """Times on this machine what steps consist of, each part once."""

    def __init__(self, builder: Builder, progress: Progress) -> None:
        self.builder, self.recipe, self.progress = builder, builder.recipe, progress
        self.n_evaluated = sum(len(builder.splits[split]) for split in SPLITS)
        self.scratches: set[Path] = set()
        self.now = time.process_time if builder.device == CPU else time.perf_counter
        self.step = cache(self._step)
        self.predict = cache(self._predict)
        self.multiplication = cache(self._multiplication)

    def of_step(self, step: Step) -> Seconds | None:
        """Seconds that a step takes, at least and at most; None if nobody knows. Ask in order."""
        if step.kind == "train":
            if self.builder.is_trained(step.parent):
                return 0.0, 0.0
            training = of_recipe(self.recipe)[step.parent].training
            if training is None:
                return self._evaluating(step.parent, 1)
            return _plus(self._descents(step.parent, Descents(training, 1)), self._evaluating(step.parent, 1))
        member, n_heads = step.members[0], len(step.members)
        parent = member.parent
        if step.kind == "make":
            tuning = member.fine_tuning
            if isinstance(tuning, OwnFineTuning):
                return None
            tuned = (0.0, 0.0) if tuning is None else self._descents(parent, Descents(tuning, 1), n_heads)
            if tuning is not None and not tuning.convolutions:  # Its trunk may be its own, or have features already.
                tuned = _plus(tuned, (0.0, n_heads * len(self.builder.splits["train"]) * self.predict(parent)))
            return _plus(tuned, self._evaluating(parent, len(step.gives)))
        left = self.builder.folder.variants_left(member)
        spent = self._evaluating(parent, len(left))
        scratch = self.builder.folder.scratch(member)
        if left and scratch not in self.scratches:  # Otherwise an earlier step leaves the expensive part there.
            self.scratches.add(scratch)
            work = work_of(member.compressor, self.builder.untrained(parent), self.recipe.n_calibration)
            if work is None or any(isinstance(part.settings, OwnFineTuning) for part in work.descents):
                return None
            share = len(left) / len(member.compressor.names())
            for part in work.descents:
                spent = _plus(spent, self._descents(parent, part), share)
            if any(work.multiplications):
                least, most = work.multiplications
                spent = _plus(spent, (least * self.multiplication(), most * self.multiplication()), share)
        return spent

    def _descents(self, parent: str | None, part: Descents, n_heads: int = 1) -> Seconds:
        settings = part.settings
        steps = part.times * part.networks * -(-len(self.builder.splits["train"]) // settings.batch)
        fewest = settings.epochs if part.fewest_epochs is None else part.fewest_epochs
        if settings.epochs == 0:
            return 0.0, 0.0
        # Settings that hardly change the time of a step are made equal, so that it is timed once.
        alike = replace(settings, epochs=1, learning_rate=1e-6, decay=1.0, decay_steps=1, l2=(), keep=1.0)
        each = self.step(parent, replace(alike, name="") if isinstance(alike, FineTuning) else alike, n_heads)
        return steps * fewest * each, steps * settings.epochs * each

    def _evaluating(self, parent: str | None, n_networks: int) -> Seconds:
        spent = n_networks * (BETWEEN + self.n_evaluated * self.predict(parent))
        return spent, spent

    def _step(self, parent: str | None, settings: Training, n_heads: int) -> float:
        """Seconds for one step of gradient descent, of as many networks as are trained together."""
        network, data, device = self.builder.untrained(parent), self.builder.splits["train"], self.builder.device
        self.progress(0, 0, f"timing {settings.optimiser}, {settings.batch} images at a time")

        def spent(n_steps: int) -> float:
            few, features = data.take(np.arange(min(len(data), n_steps * settings.batch))), TrunkFeatures()

            def descend() -> None:
                if isinstance(settings, FineTuning):
                    networks, seeds = [network] * n_heads, range(n_heads)
                    fine_tune_together(networks, few, settings, seeds=seeds, device=device, features=features)
                else:
                    train(network, few, settings, seed=0, device=device)

            if isinstance(settings, FineTuning) and not settings.convolutions:
                descend()  # Computes the features of a frozen trunk.
            begin = self.now()
            descend()
            return (self.now() - begin) / -(-len(few) // settings.batch)

        spent(1)
        return spent(min(max(2, int(TIMED / spent(2))), STEPS_TIMED))

    def _predict(self, parent: str | None) -> float:
        """Seconds to predict one image."""
        data = self.builder.splits["train"]
        few = data.take(np.arange(min(len(data), measure.BATCH)))
        network = self.builder.untrained(parent)
        return self._quickest(lambda: measure.predict(network, few, self.builder.device)) / len(few)

    def _multiplication(self) -> float:
        """Seconds for one multiplication in a large matrix product."""
        matrix = torch.ones(PRODUCT, PRODUCT, device=self.builder.device)
        return self._quickest(lambda: (matrix @ matrix)[0, 0].item()) / PRODUCT**3  # waits for the device

    def _quickest(self, do: Callable[[], object]) -> float:
        """Seconds of the faster of two calls, since the first one warms up."""
        times = []
        for _ in range(2):
            begin = self.now()
            do()
            times.append(self.now() - begin)
        return min(times)


def _makespan(steps: Sequence[tuple[Step, float]], n_workers: int) -> float:
    """Seconds until workers have done all steps, each taking the first step whose needs are met.

    A step delivers its products evenly over its time.
    """
    waiting, given, now = list(steps), set[str](), 0.0
    coming: list[tuple[float, int, str, bool]] = []
    while waiting or coming:
        ready = [(step, seconds) for step, seconds in waiting if given.issuperset(step.needs)]
        for step, seconds in ready[:n_workers]:
            waiting.remove((step, seconds))
            n_workers -= 1
            for place, product in enumerate(step.gives, 1):
                when = now + seconds * place / len(step.gives)
                heapq.heappush(coming, (when, len(coming), product, place == len(step.gives)))
        now, _, product, is_last = heapq.heappop(coming)
        given.add(product)
        n_workers += is_last
    return now


def _plus(one: Seconds, other: Seconds, share: float = 1.0) -> Seconds:
    return one[0] + share * other[0], one[1] + share * other[1]


def _memory(builder: Builder) -> int:
    """Bytes that a process takes: what this one has taken so far, and three times the weights for ranking them all."""
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return taken + 3 * max(len(as_safetensors(builder.untrained(name))) for name in builder.recipe.parent_names())


def _bytes(builder: Builder, steps: Sequence[Step]) -> tuple[int, int]:
    """Bytes of the finished pool, and of the pool with all working files at the end of the steps."""
    recipe, folder = builder.recipe, builder.folder
    weights = {parent: len(as_safetensors(builder.untrained(parent))) for parent in recipe.parent_names()}
    n_samples, label = sum(len(builder.splits[split]) for split in SPLITS), 1 if builder.n_classes <= 256 else 2
    answers = n_samples * (label + 4 * builder.n_classes)
    kept = sum(weights.values()) + 2 * n_samples * label
    kept += sum(weights[member.parent] + answers + JSON_BYTES for member in recipe.planned())
    peak, scratches = kept, set[Path]()
    for step in steps:
        if step.kind == "train" and not builder.is_trained(step.parent):
            peak += CHECKPOINT * weights[step.parent]
        elif step.kind == "compress":
            member = step.members[0]
            peak += len(member.compressor.names()) * weights[member.parent]
            scratch = folder.scratch(member)
            work = work_of(member.compressor, builder.untrained(member.parent), recipe.n_calibration)
            if work is not None and scratch not in scratches:
                scratches.add(scratch)
                peak += sum(part.times for part in work.descents) * weights[member.parent] + work.scratch_bytes
    return kept, peak
