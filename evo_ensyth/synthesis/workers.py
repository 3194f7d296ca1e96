"""Doing the steps of a pool: in this process, or in several that come and go.

A worker is a process of its own, spawned, with as many torch threads as the recipe says: one, where it does not. It is
handed one step after the other and tells what it has made; all that it makes is on disk. Whatever becomes of a worker,
no more than its step is lost, and that is tried again; when this process ends, however it does, so do the workers.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.synthesis.builder import Step, Workshop
from evo_ensyth.synthesis.recipe import Recipe
from evo_ensyth.synthesis.training import Progress, reproducible

# How often a step is begun before it is given up, where its worker dies; and how many may die before they have begun.
TRIES = 3


class Schedule:
    """Which steps can be done, and what has become of the others.

    Parameters
    ----------
    steps : sequence of Step
    n_made, n_all : int
        Members and controls that are there already, and that there will be.
    progress : function of (done, total, text)
        Told of members, and of the parent while it is trained.

    Attributes
    ----------
    failures : dict of str to str
        By a member's path, why it could not be made.
    """

    def __init__(self, steps: Sequence[Step], n_made: int, n_all: int, progress: Progress) -> None:
        self._waiting = list(steps)
        self._n_made, self._n_all, self._progress = n_made, n_all, progress
        self._given: set[str] = set()
        self._tries: dict[str, int] = {}
        self.failures: dict[str, str] = {}

    def next(self) -> Step | None:
        """Take out the first step whose needs are there, or None while there is none."""
        for position, step in enumerate(self._waiting):
            if self._given.issuperset(step.needs):
                return self._waiting.pop(position)
        return None

    def give(self, product: str) -> None:
        """Hear that something is there."""
        self._given.add(product)

    def finish(self, step: Step) -> None:
        """Hear that a step is done."""
        self._n_made += step.kind == "make"

    def tell(self, step: Step, done: int, total: int, text: str) -> None:
        """Hear how far a step is."""
        if step.kind == "train":
            self._progress(done, total, text)
        else:
            self._progress(self._n_made, self._n_all, text)

    def lose(self, step: Step, reason: str) -> None:
        """Give a step up, with all that needs what it has not given."""
        lost = self._drop(step, reason)
        while blocked := [other for other in self._waiting if lost.intersection(other.needs)]:
            for other in blocked:
                self._waiting.remove(other)
                lost |= self._drop(other, f"it needs {step.name}: {reason}")

    def died(self, step: Step, how: str) -> None:
        """Have a step done again whose worker died, unless that has happened too often."""
        self._tries[step.name] = self._tries.get(step.name, 0) + 1
        if self._tries[step.name] < TRIES:
            self._waiting.insert(0, step)
        else:
            self.lose(step, f"{how}, {TRIES} times")

    def _drop(self, step: Step, reason: str) -> set[str]:
        """Note a failure; says what will not be there."""
        if step.kind == "make":
            assert step.member is not None
            self.failures[step.member.path] = reason
        return set(step.gives) - self._given


def work_here(schedule: Schedule, workshop: Workshop) -> None:
    """Do all steps in this process, one after the other; a training that diverges costs what needs it."""
    while (step := schedule.next()) is not None:
        try:
            workshop.do(step, schedule.give, partial(schedule.tell, step))
        except InputError:
            raise
        except EvoEnsythError as error:
            schedule.lose(step, str(error))
        else:
            schedule.finish(step)


def work_in_processes(
    schedule: Schedule, recipe: Recipe, folder: Path, n_workers: int, prepare: Callable[[], object] | None = None
) -> None:
    """Do all steps in so many processes.

    Parameters
    ----------
    schedule : Schedule
    recipe : Recipe
    folder : Path
        The pool's.
    n_workers : int
        At most; no more are started than there are steps to do at a time.
    prepare : function of nothing, optional
        Called in every worker before it is handed the recipe: imports what the recipe is made of.

    Raises
    ------
    InputError
        The recipe cannot be followed.
    EvoEnsythError
        Workers die before they have begun.
    """
    crew: list[_Worker] = []
    stillborn = 0
    try:
        while True:
            while (idle := [worker for worker in crew if worker.step is None]) or len(crew) < n_workers:
                step = schedule.next()
                if step is None:
                    break
                if not idle:
                    idle = [_Worker(recipe, folder, prepare)]
                    crew += idle
                idle[0].begin(step)
            if all(worker.step is None for worker in crew):
                return
            ready = wait([worker.connection for worker in crew])
            for worker in [worker for worker in crew if worker.connection in ready]:
                if worker.hear(schedule):
                    stillborn = 0 if worker.has_begun else stillborn
                    continue
                crew.remove(worker)
                how = worker.ended()
                stillborn += not worker.has_begun
                if stillborn == TRIES:
                    raise EvoEnsythError(f"{TRIES} workers in a row could not begin: {how}.")
                if worker.step is not None:
                    schedule.died(worker.step, how)
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process as the one that started it sees it."""

    def __init__(self, recipe: Recipe, folder: Path, prepare: Callable[[], object] | None) -> None:
        self.step: Step | None = None
        self.has_begun = False
        context = get_context("spawn")
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, prepare), daemon=True)
        # Ctrl-C reaches all processes of a terminal. It is for this one to end the others, without a word of theirs.
        # The tracker is begun before: in doing so multiprocessing would lift the block.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other_end.close()
        self._send((recipe, folder))

    def begin(self, step: Step) -> None:
        self.step = step
        self._send(step)

    def hear(self, schedule: Schedule) -> bool:
        """Take in what the worker tells; False if it can tell nothing more."""
        try:
            kind, *content = self.connection.recv()
        except (EOFError, OSError):
            return False
        step = self.step
        assert step is not None
        if kind == "begun":
            self.has_begun = True
        elif kind == "give":
            schedule.give(*content)
        elif kind == "tell":
            schedule.tell(step, *content)
        elif kind == "refused":
            raise InputError(*content)
        else:
            self.step = None
            if kind == "failed":
                schedule.lose(step, *content)
            else:
                schedule.finish(step)
        return True

    def ended(self) -> str:
        """Say how a process ended that tells nothing more."""
        self.process.join(timeout=5)
        code = self.process.exitcode
        self.end()
        if code == -signal.SIGKILL:
            return "its worker was killed, as happens where memory runs out"
        if code is not None and code < 0:
            return f"its worker was ended by signal {-code} ({signal.strsignal(-code)})"
        return f"its worker ended with status {code}"

    def end(self) -> None:
        """End the process, at once."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()

    def _send(self, content: Any) -> None:
        with suppress(OSError):  # It has died, which `hear` will find.
            self.connection.send(content)


def _serve(connection: Connection, prepare: Callable[[], object] | None) -> None:
    """Be a worker: do what comes, and tell of it, until nothing can come any more."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare()
    recipe, folder = connection.recv()
    with reproducible(recipe.threads), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        workshop = Workshop(recipe, folder)
        connection.send(("begun",))
        while True:
            connection.send(_outcome(workshop, connection.recv(), connection))


def _outcome(workshop: Workshop, step: Step, connection: Connection) -> tuple[str, ...]:
    try:
        workshop.do(
            step,
            give=lambda product: connection.send(("give", product)),
            progress=lambda done, total, text: connection.send(("tell", done, total, text)),
        )
    except InputError as error:
        return "refused", str(error)
    except EvoEnsythError as error:
        return "failed", str(error)
    except MemoryError:
        return "failed", "there was not enough memory"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return ("done",)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
