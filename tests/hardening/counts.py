"""What a harness is, and the counts of its trials, kept in files that the table of docs/reliability.md is made from."""

import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evo_ensyth import __version__
from evo_ensyth.files import write_json

ROOT = Path(__file__).parents[2]
COUNTS = Path(__file__).with_name("counts")
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- counts: make harden -->\n", "<!-- end of counts -->\n"
SECONDS_BETWEEN_SAVES = 20.0

# A trial: given its number and an empty folder, it returns in a word or two how it held; if it fell, it raises.
Trial = Callable[[int, Path], str]


@dataclass(frozen=True)
class Harness:
    """Something to try many times.

    Attributes
    ----------
    name : str
        As in ``make harden PART=name``.
    what : str
        What is tried, for the table.
    tries : int
        Of the long form.
    short : int
        Of the short form.
    trial : callable
    again : tuple of int
        Trials that once fell; the short form tries them, too.
    """

    name: str
    what: str
    tries: int
    short: int
    trial: Trial
    again: tuple[int, ...] = ()


@dataclass
class Counts:
    """How often a harness was tried, and what came of it.

    Attributes
    ----------
    tried : int
        The trials with lower numbers are done.
    outcomes : Counter
        How trials held.
    fell : dict of str to str
        By the number of the trial, how it fell.
    seconds : float
        Spent on all of them.
    code : str
        The commit that the first and the last trial were made with.
    """

    tried: int
    outcomes: Counter[str]
    fell: dict[str, str]
    seconds: float
    code: list[str]

    @classmethod
    def of(cls, name: str) -> "Counts":
        """Read the counts of a harness; zeros if it was never tried."""
        path = COUNTS / f"{name}.json"
        if not path.exists():
            return cls(0, Counter(), {}, 0.0, [])
        found = json.loads(path.read_text())
        return cls(found["tried"], Counter(found["outcomes"]), found["fell"], found["seconds"], found["code"])

    @staticmethod
    def forget(name: str) -> None:
        """Begin from zero."""
        (COUNTS / f"{name}.json").unlink(missing_ok=True)

    def save(self, name: str) -> None:
        """Write the counts."""
        about = {"python": platform.python_version(), "version": __version__, "machine": platform.machine()}
        COUNTS.mkdir(exist_ok=True)
        content = {
            "tried": self.tried,
            "held": self.tried - len(self.fell),
            "outcomes": dict(sorted(self.outcomes.items())),
        }
        write_json(
            COUNTS / f"{name}.json",
            content | {"fell": self.fell, "seconds": round(self.seconds), "code": self.code, **about},
        )


def go_on(harness: Harness, folder: Path, *, tries: int, seconds: float = float("inf")) -> Counts:
    """Do the trials of a harness that are not done yet, and store the counts every now and then.

    Parameters
    ----------
    harness : Harness
    folder : Path
        Where trials may write.
    tries : int
        How many trials there shall be in all.
    seconds : float
        Stop after this time.
    """
    counts = Counts.of(harness.name)
    commit = _commit()
    counts.code = [*counts.code[:1], commit] if counts.code[:1] != [commit] else [commit]
    start = saved = time.monotonic()
    while counts.tried < tries and time.monotonic() - start < seconds:
        begun = time.monotonic()
        number, empty = counts.tried, folder / harness.name / str(counts.tried)
        empty.mkdir(parents=True)
        try:
            counts.outcomes[harness.trial(number, empty)] += 1
        except Exception as error:
            counts.fell[str(number)] = f"{type(error).__name__}: {error}"[:400]
            print(f"{harness.name} {number} fell: {counts.fell[str(number)]}", flush=True)
        counts.tried += 1
        counts.seconds += time.monotonic() - begun
        remove(empty)
        if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            saved = time.monotonic()
            counts.save(harness.name)
            print(f"{harness.name}: {counts.tried:,} of {tries:,}, {len(counts.fell)} fell", flush=True)
    counts.save(harness.name)
    return counts


@contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder, and remove it."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder, also one whose folders forbid it."""
    for inner in (folder, *folder.rglob("*")):
        if inner.is_dir() and not inner.is_symlink():
            inner.chmod(0o700)
    shutil.rmtree(folder)


def table(harnesses: list[Harness]) -> str:
    """Write the table of all counts in Markdown."""
    lines = ["| what | tried | held | of | how they held | command |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for harness in harnesses:
        counts = Counts.of(harness.name)
        how = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(counts.outcomes.items()))
        held = counts.tried - len(counts.fell)
        cells = (
            harness.what,
            f"{counts.tried:,}",
            f"{held:,}",
            f"{harness.tries:,}",
            how,
            f"`make harden PART={harness.name}`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_table(harnesses: list[Harness]) -> None:
    """Put the table of all counts into its page."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n" + table(harnesses) + "\n" + END + after)


def memory() -> int:
    """Most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip()
