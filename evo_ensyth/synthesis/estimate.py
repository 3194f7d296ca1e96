"""What a recipe will take, in time and on disk, before it is followed.

Steps of training are timed here, a few for each network and setting, and counted as the settings say. It is the time
of the processor: what other programs take of it does not count. A range is told, for nobody knows before how long the
solvers of Net-Trim iterate, or when a training with patience stops.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from evo_ensyth.io.manifest import SPLITS
from evo_ensyth.synthesis import measure
from evo_ensyth.synthesis.builder import Step, Workshop, is_made, label_of, planned, scratch_of, steps_left
from evo_ensyth.synthesis.compression import Descents, work_of
from evo_ensyth.synthesis.layer_surgery import saved
from evo_ensyth.synthesis.recipe import Recipe
from evo_ensyth.synthesis.status import told_name
from evo_ensyth.synthesis.training import FineTuning, Progress, Training, fine_tune, reproducible, train

# How much of the time that was measured and counted it may be: caches, neighbours on the machine, what is not counted.
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
    """What is still to be done for a pool.

    Attributes
    ----------
    seconds : (float, float)
        Of the members that are not made yet, at least and at most, save for those that are unknown.
    unknown : tuple of str
        Members, and controls, whose methods do not tell what they do.
    workers : int
    n_made, n_planned : int
        Members and controls.
    kept_bytes, peak_bytes : int
        Of the whole pool: when it is finished, and at most while it is made.
    """

    seconds: tuple[float, float]
    unknown: tuple[str, ...]
    workers: int
    n_made: int
    n_planned: int
    kept_bytes: int
    peak_bytes: int


Seconds = tuple[float, float]


def estimate(recipe: Recipe, folder: Path, *, workers: int, progress: Progress) -> Estimate:
    """Estimate what is still to be done for the pool of a recipe; takes some seconds, and writes nothing.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        The pool's; what lies there already takes no time.
    workers : int
        Processes at work; 0 for one.
    progress : callable
        Told what is timed.

    Raises
    ------
    InputError
        The data set cannot be had, or the recipe cannot be followed.
    """
    members = planned(recipe)
    with reproducible(recipe.threads):
        progress(0, 0, f"reading {recipe.dataset}")
        workshop = Workshop(recipe, folder)
        steps = steps_left(recipe, folder)
        clock = _Clock(workshop, progress)
        timed = [(step, clock.of_step(step)) for step in steps]
        unknown = {step.name for step, seconds in timed if seconds is None}
        least, most = (
            _makespan([(step, 0.0 if seconds is None else seconds[end]) for step, seconds in timed], max(1, workers))
            for end in (0, 1)
        )
        kept, peak = _bytes(workshop, steps)
    n_made = sum(is_made(folder, member) for member in members)
    if n_made == len(members):
        least = most = 0.0
    elif recipe.latency is not None:
        calls = recipe.latency.repeats + measure.WARM_UPS
        spent = (len(members) - n_made) * calls * recipe.latency.batch * clock.answer(None)
        least, most = least + spent, most + spent
    return Estimate(
        seconds=(LEAST * least, MOST * (most + (STARTING if most and workers else 0.0))),
        unknown=tuple(
            told_name(step.member.path)
            for step in steps
            if step.kind == "make" and step.member is not None and label_of(recipe, step.member) in unknown
        ),
        workers=workers,
        n_made=n_made,
        n_planned=len(members),
        kept_bytes=kept,
        peak_bytes=peak,
    )


class _Clock:
    """Times on this machine what steps are made of; each thing once."""

    def __init__(self, workshop: Workshop, progress: Progress) -> None:
        self.workshop, self.recipe, self.progress = workshop, workshop.recipe, progress
        self.n_judged = sum(len(workshop.splits[split]) for split in SPLITS)
        self.scratches: set[str] = set()
        self.step = cache(self._step)
        self.answer = cache(self._answer)
        self.multiplication = cache(self._multiplication)

    def of_step(self, step: Step) -> Seconds | None:
        """Seconds that a step takes, at least and at most; None for a method that does not tell. Asked in order."""
        if step.kind == "train":
            if self.workshop.is_trained(step.parent):
                return 0.0, 0.0
            recipe = self.recipe
            training = recipe.training if step.parent is None else recipe.other_parent(step.parent).training
            return _plus(self._descents(step.parent, Descents(training, 1)), self._judging(step.parent, 1))
        assert step.member is not None
        parent = step.member.parent
        if step.kind == "make":
            tuning = step.member.fine_tuning
            tuned = (0.0, 0.0) if tuning is None else self._descents(parent, Descents(tuning, 1))
            return _plus(tuned, self._judging(parent, 1))
        left = self.workshop.variants_left(step.member)
        spent = self._judging(parent, len(left))
        scratch = scratch_of(self.recipe, step.member)
        if left and scratch not in self.scratches:  # Else a step before has left there what takes time.
            self.scratches.add(scratch)
            work = work_of(step.member.compressor, self.workshop.untrained(parent), self.recipe.n_calibration)
            if work is None:
                return None
            share = len(left) / len(step.member.compressor.names())
            for part in work.descents:
                spent = _plus(spent, self._descents(parent, part), share)
            if any(work.multiplications):
                least, most = work.multiplications
                spent = _plus(spent, (least * self.multiplication(), most * self.multiplication()), share)
        return spent

    def _descents(self, parent: str | None, part: Descents) -> Seconds:
        settings = part.settings
        steps = part.times * part.networks * -(-len(self.workshop.splits["train"]) // settings.batch)
        fewest = settings.epochs if part.fewest_epochs is None else part.fewest_epochs
        if settings.epochs == 0:
            return 0.0, 0.0
        # What does not change the time of a step, or hardly, is taken away, so that it is not timed again.
        alike = replace(settings, epochs=1, learning_rate=1e-6, decay=1.0, decay_steps=1, l2=(), keep=1.0)
        each = self.step(parent, replace(alike, name="") if isinstance(alike, FineTuning) else alike)
        return steps * fewest * each, steps * settings.epochs * each

    def _judging(self, parent: str | None, n_networks: int) -> Seconds:
        spent = n_networks * (BETWEEN + self.n_judged * self.answer(parent))
        return spent, spent

    def _step(self, parent: str | None, settings: Training) -> float:
        """Seconds for one step of gradient descent."""
        network, data = self.workshop.untrained(parent), self.workshop.splits["train"]
        self.progress(0, 0, f"timing {settings.optimiser}, {settings.batch} images at a time")

        def spent(n_steps: int) -> float:
            few = data.take(np.arange(min(len(data), n_steps * settings.batch)))
            begin = time.process_time()
            if isinstance(settings, FineTuning):
                fine_tune(network, few, settings, seed=0)
            else:
                train(network, few, settings, seed=0)
            return (time.process_time() - begin) / -(-len(few) // settings.batch)

        spent(1)
        return spent(min(max(2, int(TIMED / spent(2))), STEPS_TIMED))

    def _answer(self, parent: str | None) -> float:
        """Seconds to answer one image."""
        data = self.workshop.splits["train"]
        few = data.take(np.arange(min(len(data), measure.BATCH)))
        network = self.workshop.untrained(parent)
        return _quickest(lambda: measure.answers(network, few)) / len(few)

    def _multiplication(self) -> float:
        """Seconds for one multiplication of a large matrix product."""
        matrix = torch.ones(PRODUCT, PRODUCT)
        return _quickest(lambda: matrix @ matrix) / PRODUCT**3


def _quickest(do: Callable[[], object]) -> float:
    """Seconds of the quicker of two calls, for the first one warms up."""
    times = []
    for _ in range(2):
        begin = time.process_time()
        do()
        times.append(time.process_time() - begin)
    return min(times)


def _makespan(steps: Sequence[tuple[Step, float]], n_workers: int) -> float:
    """Seconds until so many workers have done all steps, where each takes the first whose needs are there.

    What a step gives comes evenly spread over its time.
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


def _bytes(workshop: Workshop, steps: Sequence[Step]) -> tuple[int, int]:
    """Bytes of the finished pool, and with all that lies in its folder ``work`` at the end of the steps."""
    recipe = workshop.recipe
    parents = (None, *(parent.name for parent in recipe.parents))
    weights = {parent: len(saved(workshop.untrained(parent))) for parent in parents}
    n_samples, label = sum(len(workshop.splits[split]) for split in SPLITS), 1 if workshop.n_classes <= 256 else 2
    answers = n_samples * (label + 4 * workshop.n_classes)
    kept = sum(weights.values()) + 2 * n_samples * label
    kept += sum(weights[member.parent] + answers + JSON_BYTES for member in planned(recipe))
    peak, scratches = kept, set[str]()
    for step in steps:
        if step.kind == "train" and not workshop.is_trained(step.parent):
            peak += CHECKPOINT * weights[step.parent]
        elif step.kind == "compress" and step.member is not None:
            member = step.member
            peak += len(member.compressor.names()) * weights[member.parent]
            scratch = scratch_of(recipe, member)
            work = work_of(member.compressor, workshop.untrained(member.parent), recipe.n_calibration)
            if work is not None and scratch not in scratches:
                scratches.add(scratch)
                peak += sum(part.times for part in work.descents) * weights[member.parent] + work.scratch_bytes
    return kept, peak
