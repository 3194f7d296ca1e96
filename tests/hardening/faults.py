"""Every k-th call that changes a disk fails, or the process is killed in it: nothing torn is left, nothing is lost.

The calls are those of Python's ``os``, replaced in the process that runs the command; before a write fails or the
process is killed in it, half of the content is written, as disks do.
"""

import builtins
import errno
import os
import signal
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool
from evo_ensyth.io.run_folder import read_run
from hardening.commands import finish, leftovers, said
from hardening.counts import Harness, scratch
from hardening.kills import COMMANDS, Command

FAULTS = ("ENOSPC", "EIO", "EDQUOT", "SIGKILL")
CALLS = ("write", "fsync", "rename", "create")
STRIDE = 7_919  # a prime: neighbours in number are far apart in kind and place
# Points of a fault: measured, see `points`.
TRIES = {"search": 324, "exact": 316, "small-build": 576}


class Calls:
    """Counts the calls of a process that change the disk, and lets one of them fail.

    Parameters
    ----------
    call, number : str and int
        Which call fails; none if the number is -1.
    fault : str
    report : Path, optional
        Where to write how many calls there were.
    """

    def __init__(self, call: str, number: int, fault: str, report: Path | None = None) -> None:
        self.call, self.number, self.fault, self.report = call, number, fault, report
        self.counted = dict.fromkeys(CALLS, 0)

    def __call__(self) -> None:
        """Replace the calls in this process."""
        for call, name in (("fsync", "fsync"), ("rename", "rename"), ("rename", "replace"), ("create", "mkdir")):
            setattr(os, name, self._counted(call, getattr(os, name)))
        os.open = self._opened(os.open)
        os.fdopen = self._filled(os.fdopen)  # type: ignore[assignment]
        if self.report is not None:
            self._tell()

    def due(self, call: str) -> bool:
        """Count a call; whether it is the one to fail."""
        self.counted[call] += 1
        self._tell()
        return call == self.call and self.counted[call] == self.number

    def fail(self) -> None:
        """Fail as this process is told to."""
        if self.fault == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.fault)
        raise OSError(number, os.strerror(number))

    def _tell(self) -> None:
        if self.report is not None:
            with builtins.open(self.report, "w") as file:
                file.write(repr(self.counted))

    def _counted(self, call: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            if self.due(call):
                self.fail()
            return do(*arguments, **more)

        return counted

    def _opened(self, do: Callable[..., int]) -> Callable[..., int]:
        def opened(path: Any, flags: int, *arguments: Any, **more: Any) -> int:
            if flags & os.O_CREAT and self.due("create"):
                self.fail()
            return do(path, flags, *arguments, **more)

        return opened

    def _filled(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def filled(*arguments: Any, **more: Any) -> Any:
            file = do(*arguments, **more)
            return _File(file, self) if "w" in arguments[1:2] or "wb" in arguments[1:2] else file

        return filled


class _File:
    """A file whose writes are counted."""

    def __init__(self, file: Any, calls: Calls) -> None:
        self._file, self._calls = file, calls

    def write(self, content: bytes) -> int:
        if self._calls.due("write"):
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            self._calls.fail()
        return int(self._file.write(content))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        self._file.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.__exit__(*raised)


@cache
def points(name: str) -> tuple[tuple[str, int, str], ...]:
    """All faults of a command: every call, the k-th of them for every k, every fault."""
    with scratch() as folder:
        COMMANDS[name].prepare(folder)
        report = folder.parent / f"{folder.name}.calls"
        if finish(folder, COMMANDS[name].arguments, Calls("write", -1, "EIO", report)) != 0:
            raise SystemExit(said(folder))
        counted = eval(report.read_text(), {})  # noqa: S307 - our own
        report.unlink()
    return tuple((call, k, fault) for call in CALLS for k in range(1, counted[call] + 1) for fault in FAULTS)


@cache
def expected(name: str) -> object:
    """What a command makes without faults."""
    with scratch() as folder:
        COMMANDS[name].prepare(folder)
        assert finish(folder, COMMANDS[name].arguments) == 0
        return COMMANDS[name].result(folder)


def fault(name: str, number: int, folder: Path) -> str:
    """Let one call of a command fail, look at what is left, and run it again."""
    command, all_points = COMMANDS[name], points(name)
    point = all_points[number * STRIDE % len(all_points)]
    call, k, kind = point
    command.prepare(folder)
    status = finish(folder, command.arguments, Calls(call, k, kind))
    told = said(folder)
    assert "Traceback" not in told, f"{point}: {told[-300:]}"
    if kind == "SIGKILL":
        assert status in (-signal.SIGKILL, 0), f"{point}: status {status}"
    elif status == 0:
        assert command.result(folder) == expected(name), f"{point}: status 0, and another result"
    outcome = {0: "borne", -signal.SIGKILL: "killed"}.get(status, "refused")
    _nothing_torn(folder, command, point)
    if command.result(folder) is None or command.made.startswith("runs"):
        again = finish(folder, command.arguments)
        assert again == 0, f"{point}: status {again} when run again: {said(folder)}"
    assert command.result(folder) == expected(name), f"{point}: another result"
    assert not leftovers(folder), f"{point}: {leftovers(folder)}"
    return outcome


def _nothing_torn(folder: Path, command: Command, point: object) -> None:
    """Whatever looks finished can be read."""
    for path in folder.rglob("run.json"):
        if ".part" not in str(path):
            read_run(path.parent)
    for path in folder.rglob("pool.json"):
        try:
            read_pool(path.parent)
        except InputError as error:
            raise AssertionError(f"{point}: {error}") from error


HARNESSES = tuple(
    Harness(
        f"faults-{name.removeprefix('small-')}",
        f"a fault at the k-th write, fsync, rename or create of {COMMANDS[name].what}",
        tries,
        1 if name == "search" else 0,
        partial(fault, name),
    )
    for name, tries in TRIES.items()
)
