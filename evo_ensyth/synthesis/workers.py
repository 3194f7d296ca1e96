"""Doing the steps of a build, in this process or in several worker processes.

A worker is a spawned process with as many torch threads as the recipe says, and with one device. It receives one step
after another and reports what it has made; all results are on disk. If a worker dies, only its step is lost, and is
tried again; when this process ends, for whatever reason, so do the workers.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.synthesis.build_folder import BuildFolder
from evo_ensyth.synthesis.builder import Builder
from evo_ensyth.synthesis.progress import Progress
from evo_ensyth.synthesis.recipe import Recipe
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.steps import Step

# How often a step whose worker dies is tried.
TRIES = 5
# How many workers in a row may fail to start; and how many may be killed meanwhile, as happens where memory runs out.
FAILED_STARTS, KILLED_STARTS = 3, 100
KILLED = (-signal.SIGKILL, -signal.SIGTERM)


class Schedule:
    """Which steps can be done next, and what has become of the others.

    Parameters
    ----------
    steps : sequence of Step
    n_made, n_all : int
        Numbers of members and controls: made already, and in total.
    progress : Progress
        Called with the number of members made, or with the progress of a parent's training.

    Attributes
    ----------
    failures : dict of str to str
        By the title of a member, why it could not be made.
    """

    def __init__(self, steps: Sequence[Step], n_made: int, n_all: int, progress: Progress) -> None:
        self._waiting = list(steps)
        self._n_made, self._n_all, self._progress = n_made, n_all, progress
        self._titles = {title for step in steps if step.kind == "make" for title in step.gives}
        self._given: set[str] = set()
        self._tries: dict[str, int] = {}
        self.failures: dict[str, str] = {}

    def next(self) -> Step | None:
        """Remove and return the first step whose needs are met, or None if there is none at present."""
        for position, step in enumerate(self._waiting):
            if self._given.issuperset(step.needs):
                return self._waiting.pop(position)
        return None

    def give(self, product: str) -> None:
        """Note that a product exists."""
        self._n_made += product in self._titles - self._given
        self._given.add(product)

    def finish(self, failed: Mapping[str, str]) -> None:
        """Note that a step is done, and why members of it could not be made, by their titles."""
        for title, reason in failed.items():
            self._lose({title}, reason, f"it needs {title}: {reason}")

    def report(self, step: Step, done: int, total: int, text: str) -> None:
        """Pass on how far a step is."""
        if step.kind == "train":
            self._progress(done, total, text)
        else:
            self._progress(self._n_made, self._n_all, text)

    def lose(self, step: Step, reason: str) -> None:
        """Give up a step, and all steps that need what it has not delivered."""
        self._lose(set(step.gives) - self._given, reason, f"it needs {step.name}: {reason}")

    def take_back(self, step: Step) -> None:
        """Do a step later that was handed to a worker which never began it."""
        self._waiting.insert(0, step)

    def died(self, step: Step, how: str) -> None:
        """Try a step again whose worker died, after all others that can be done; unless that happened too often."""
        self._tries[step.name] = self._tries.get(step.name, 0) + 1
        if self._tries[step.name] < TRIES:
            self._waiting.append(step)
        else:
            self.lose(step, f"{how}, {TRIES} times")

    def _lose(self, lost: set[str], reason: str, of_others: str) -> None:
        """Note why products will not exist, and give up what needs them."""
        self.failures |= dict.fromkeys(sorted(lost & self._titles), reason)
        while blocked := [step for step in self._waiting if lost.intersection(step.needs)]:
            for step in blocked:
                place = self._waiting.index(step)
                rest = step.without(lost)
                self._waiting[place : place + 1] = [] if rest is None else [rest]
                more = set(step.gives) - set(() if rest is None else rest.gives)
                self.failures |= dict.fromkeys(sorted(more & self._titles), of_others)
                lost |= more


def work_here(schedule: Schedule, builder: Builder) -> None:
    """Do all steps in this process, one after another; a step that fails loses what depends on it."""
    while (step := schedule.next()) is not None:
        try:
            failed = builder.do(step, schedule.give, partial(schedule.report, step))
        except InputError:
            raise
        except EvoEnsythError as error:
            schedule.lose(step, str(error))
        else:
            schedule.finish(failed)


def work_in_processes(
    schedule: Schedule,
    folder: BuildFolder,
    n_workers: int,
    devices: Sequence[torch.device],
    reread: Callable[[], Recipe] | None = None,
) -> None:
    """Do all steps in several processes.

    Parameters
    ----------
    schedule : Schedule
    folder : BuildFolder
    n_workers : int
        At most; no more are started than there are steps to do at the same time.
    devices : sequence of torch.device
        Among which the workers are divided.
    reread : callable, optional
        Called without arguments in every worker, which follows the recipe that it returns, in place of sending this
        one: its functions may not be such as can be sent. It must be importable.

    Raises
    ------
    InputError
        The recipe cannot be followed.
    EvoEnsythError
        Workers die before they have started.
    """
    workers: list[_Worker] = []
    starts = _Starts()
    try:
        while True:
            while (idle := [worker for worker in workers if worker.step is None]) or len(workers) < n_workers:
                step = schedule.next()
                if step is None:
                    break
                if not idle:
                    used = [worker.device for worker in workers]
                    idle = [_Worker(folder, min(devices, key=used.count), reread)]
                    workers += idle
                idle[0].begin(step)
            if all(worker.step is None for worker in workers):
                return
            ready = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in ready]:
                if worker.receive(schedule):
                    if worker.has_started:
                        starts = _Starts()
                    continue
                workers.remove(worker)
                status = worker.ended()
                if not worker.has_started:
                    starts.note(status)
                    if worker.step is not None:
                        schedule.take_back(worker.step)
                elif worker.step is not None:
                    schedule.died(worker.step, _in_words(status))
    finally:
        for worker in workers:
            worker.end()


class _Starts:
    """Workers in a row that have ended before they had started."""

    def __init__(self) -> None:
        self._n_failed = self._n_killed = 0

    def note(self, status: int | None) -> None:
        """Count one more, by its exit status.

        Raises
        ------
        EvoEnsythError
            It was one too many.
        """
        is_killed = status in KILLED
        self._n_killed += is_killed
        self._n_failed += not is_killed
        if self._n_failed == FAILED_STARTS or self._n_killed == KILLED_STARTS:
            n_ended = self._n_failed + self._n_killed
            raise EvoEnsythError(f"{n_ended} workers in a row could not start: {_in_words(status)}.")


class _Worker:
    """A worker process, seen from the process that started it."""

    def __init__(self, folder: BuildFolder, device: torch.device, reread: Callable[[], Recipe] | None) -> None:
        self.device = device
        self.step: Step | None = None
        self.has_started = False
        context = get_context("spawn")
        self.connection, other_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(other_end, reread), daemon=True)
        # Ctrl-C reaches all processes of a terminal; only this one shall react, and end the workers silently. The
        # tracker is started first, since starting it would make multiprocessing lift the block.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other_end.close()
        self._send((folder.path, folder.problem, folder.recipe if reread is None else None, device))

    def begin(self, step: Step) -> None:
        """Hand over a step."""
        self.step = step
        titles = [member.title for member in step.members]
        self._send((replace(step, members=()), titles))  # A member may hold functions that cannot be sent.

    def receive(self, schedule: Schedule) -> bool:
        """Process one message of the worker; False if it has died."""
        try:
            kind, *content = self.connection.recv()
        except (EOFError, OSError):
            return False
        step = self.step
        assert step is not None
        if kind == "started":
            self.has_started = True
        else:
            if kind in ("failed", "done"):
                self.step = None
            heed(schedule, step, kind, *content)
        return True

    def ended(self) -> int | None:
        """Exit status of the process, as `multiprocessing` has it; None if it has none yet."""
        self.process.join(timeout=5)
        status = self.process.exitcode
        self.end()
        return status

    def end(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()

    def _send(self, content: Any) -> None:
        with suppress(OSError):  # It has died, which `receive` will notice.
            self.connection.send(content)


def heed(schedule: Schedule, step: Step, kind: str, *content: Any) -> None:
    """Process what a worker says about a step; see `outcome_of`.

    Raises
    ------
    InputError
        The recipe cannot be followed.
    """
    if kind == "give":
        schedule.give(*content)
    elif kind == "report":
        schedule.report(step, *content)
    elif kind == "refused":
        raise InputError(*content)
    elif kind == "failed":
        schedule.lose(step, *content)
    else:
        schedule.finish(*content)


def _in_words(status: int | None) -> str:
    """Describe how a worker ended, by its exit status."""
    if status == -signal.SIGKILL:
        return "its worker was killed, as happens where memory runs out"
    if status is not None and status < 0:
        return f"its worker was ended by signal {-status} ({signal.strsignal(-status)})"
    return f"its worker ended with status {status}"


def _serve(connection: Connection, reread: Callable[[], Recipe] | None) -> None:
    """Work in a worker process: do the steps that arrive, and report on them, until the connection closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    mine = None if reread is None else reread()
    path, problem, given, device = connection.recv()
    recipe = given if mine is None else mine
    planned = {member.title: member for member in recipe.planned()}
    with reproducible(recipe.threads, device), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        builder = Builder(BuildFolder(path, recipe, problem), device)
        connection.send(("started",))
        while True:
            step, titles = connection.recv()
            step = replace(step, members=tuple(planned[title] for title in titles))
            connection.send(outcome_of(builder, step, connection.send))


def outcome_of(builder: Builder, step: Step, send: Callable[[tuple[Any, ...]], None]) -> tuple[Any, ...]:
    """Do a step, send what it gives and how far it is, and return what became of it."""
    try:
        failed = builder.do(
            step,
            give=lambda product: send(("give", product)),
            progress=lambda done, total, text: send(("report", done, total, text)),
        )
    except InputError as error:
        return "refused", str(error)
    except EvoEnsythError as error:
        return "failed", str(error)
    except MemoryError:
        return "failed", "there was not enough memory"
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"
    return "done", failed


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
