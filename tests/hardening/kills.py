"""kill -9 at random moments, up to three times in a row: what is resumed gives the bytes of an undisturbed command."""

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from evo_ensyth.io.run_folder import read_run
from hardening.commands import BUILD, FINAL, begin, contents, copied, finish, leftovers, said
from hardening.counts import Harness, scratch

MOST_KILLS = 3
TRIES = {"exact": 200, "build": 50, "search": 50, "repair": 50}
TRIES |= {"convert": 50, "compare": 50, "export": 50, "measure": 50}
SHORT = ("convert",)


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes
    ----------
    what : str
        In words, for the table.
    arguments : tuple of str
    made : str
        The file or folder that it makes, below its folder.
    pool : bool
        Whether a finished pool is there before.
    damage : bool
        Whether some files of the pool are damaged before.
    same : bool
        Whether it makes the same bytes each time; otherwise, what it measures is no function of its input.
    """

    what: str
    arguments: tuple[str, ...]
    made: str
    pool: bool = True
    damage: bool = False
    same: bool = True

    def prepare(self, folder: Path) -> None:
        """Put what the command needs into an empty folder."""
        copied(folder, pool=self.pool)
        if self.damage:
            pool = folder / "runs" / "tiny" / "pool"
            for path in (*sorted(pool.glob("members/*/search.labels.npy"))[::2], pool / "parent.safetensors"):
                path.write_bytes(path.read_bytes()[:-3])

    def result(self, folder: Path) -> object:
        """What the command made, as far as it is the same each time; None if it is not there."""
        made = folder / self.made
        if not made.exists():
            return None
        if made.is_file():
            return made.read_bytes()
        found = contents(made)
        if "run.json" in found:  # with the time that the search took
            read_run(made)
            return (made / "front.csv").read_bytes()
        return found if self.same else sorted(found)


PLAIN = ("--folds", "0", "--quiet")
COMMANDS = {
    "exact": Command(
        "an exact search", ("search", "votes.npz", "--selector", "exact", "--out", "made", *PLAIN), "made", pool=False
    ),
    "search": Command(
        "a search by NSGA-II", ("search", "votes.npz", "--budget", "3000", "--out", "made", *PLAIN), "made", pool=False
    ),
    "build": Command("a pool build", BUILD, "runs/tiny/pool", pool=False),
    "small-build": Command(
        "a pool build", tuple(word.replace("tiny", "smallest") for word in BUILD), "runs/smallest/pool", pool=False
    ),
    "workers": Command(
        "a pool build by workers", (*BUILD[:-3], "--workers", "2", "--quiet"), "runs/tiny/pool", pool=False
    ),
    "scheduler": Command(
        "a pool build by workers of Dask",
        (*BUILD[:-3], "--scheduler", "local:2", "--quiet"),
        "runs/tiny/pool",
        pool=False,
    ),
    "divided": Command(
        "an exact search by workers of Dask",
        ("search", "votes.npz", "--selector", "exact", "--scheduler", "local:2", "--out", "made", *PLAIN),
        "made",
        pool=False,
    ),
    "repair": Command("a pool repair", (*BUILD, "--repair"), "runs/tiny/pool", damage=True),
    "convert": Command("`convert`", ("convert", "votes.npz", "-o", "made.npz"), "made.npz", pool=False),
    "compare": Command("`compare`", ("compare", "run", "run", "--out", "made"), "made"),
    "export": Command("`export`", ("export", "run", "-o", "made.onnx"), "made.onnx"),
    "measure": Command("`pool measure`", ("pool", "measure", "tiny"), "runs/tiny/pool", same=False),
}


@cache
def undisturbed(name: str) -> tuple[object, float]:
    """What a command makes in peace, and how many seconds it takes."""
    command = COMMANDS[name]
    with scratch() as folder:
        command.prepare(folder)
        finish(folder, ("list", "selectors"))  # starts what processes are forked from
        start = time.monotonic()
        if finish(folder, command.arguments) != 0:
            raise SystemExit(said(folder))
        return command.result(folder), time.monotonic() - start


def kill_command(name: str, number: int, folder: Path) -> str:
    """Kill a command at moments drawn by a number, then let it end."""
    command, rng = COMMANDS[name], random.Random(number)
    expected, duration = undisturbed(name)
    command.prepare(folder)
    kills = 0
    for _ in range(MOST_KILLS):
        process = begin(folder, command.arguments)
        process.join(rng.uniform(0.02, 1.0) * duration)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        if process.exitcode != -signal.SIGKILL:
            break
    if command.result(folder) is None or command.made.startswith("runs"):
        status = finish(folder, command.arguments)
        assert status == 0, f"status {status} after {kills} kills: {said(folder)}"
    assert command.result(folder) == expected, f"another result after {kills} kills"
    assert not leftovers(folder), leftovers(folder)
    return f"killed {kills} times" if kills != 1 else "killed once"


def kill_workers(name: str, alone: str, number: int, folder: Path) -> str:
    """Kill a random one of two workers again and again: others take over, and the result is that of one process.

    The time between two kills is a third to all of the time that these workers take undisturbed, which is about as long
    as they take to start: two to six seconds where the machine has nothing else to do.
    """
    rng, command = random.Random(number), COMMANDS[name]
    copied(folder, pool=False)
    expected, _ = undisturbed(alone)
    seconds = rng.uniform(0.3, 1.0) * undisturbed(name)[1]
    process = begin(folder, command.arguments)
    kills, end = 0, time.monotonic() + FINAL
    while process.exitcode is None and time.monotonic() < end:
        process.join(seconds)
        if there := _workers_of(process.pid):
            with suppress(ProcessLookupError):
                os.kill(rng.choice(there), signal.SIGKILL)
                kills += 1
    process.kill()
    assert process.exitcode == 0, said(folder)
    assert command.result(folder) == expected, "another result"
    assert not leftovers(folder), leftovers(folder)
    return f"{max(kills // 5 * 5, 1)} kills or more" if kills else "no kill"


def _workers_of(process: int | None) -> list[int]:
    """Processes that the threads of a command have spawned to work."""
    try:
        threads = Path(f"/proc/{process}/task").glob("*/children")
        children = [child for thread in threads for child in thread.read_text().split()]
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):  # one has ended just now
        return []


HARNESSES = (
    *(
        Harness(
            f"killed-{name}",
            f"kill -9 of {COMMANDS[name].what}, run again: the same bytes",
            tries,
            int(name in SHORT),
            partial(kill_command, name),
        )
        for name, tries in TRIES.items()
    ),
    *(
        Harness(
            f"killed-{name}",
            f"one of two workers of {what} killed as soon as it may have started, again and again: the same",
            20,
            0,
            partial(kill_workers, name, alone),
        )
        for name, alone, what in (
            ("workers", "build", "a pool build"),
            ("scheduler", "build", "a pool build by Dask"),
            ("divided", "exact", "an exact search by Dask"),
        )
    ),
)
