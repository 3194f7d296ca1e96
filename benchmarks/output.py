"""What the benchmarks share: their options, the tables they print, and the figures that ``--json`` writes."""

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import evo_ensyth
from evo_ensyth.files import write_json

LIBRARIES = (
    "evo-ensyth", "numpy", "numba", "moocore", "pymoo", "deap", "cma", "scikit-learn", "mlxtend", "torch", "cvxpy",
)  # fmt: skip
LEFT = "<"  # the format of a column of text
Value = str | int | float | None


@dataclass(frozen=True)
class Sheet:
    """A table as facts: printed by rich, written as Markdown, or kept as JSON.

    Attributes
    ----------
    title : str
    columns : mapping of name to format
        As of `format`, for values that are no strings. The first column, and those of format ``<``, are text.
    rows : sequence of rows
        A value for each column; None where there is none.
    """

    title: str
    columns: Mapping[str, str]
    rows: Sequence[Sequence[Value]]

    def cells(self) -> list[list[str]]:
        """What is printed, row by row."""
        return [
            [_text(value, spec) for value, spec in zip(row, self.columns.values(), strict=True)] for row in self.rows
        ]

    def rich(self) -> Table:
        """For a terminal."""
        table = Table(title=self.title, title_justify="left")
        for name, left in self._sides().items():
            table.add_column(name, justify="left" if left else "right", overflow="fold")
        for row in self.cells():
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a page."""
        rule = ["---" if left else "---:" for left in self._sides().values()]
        lines = [list(self.columns), rule, *self.cells()]
        table = "\n".join(f"| {' | '.join(line)} |".replace("\n", "<br>") for line in lines)
        return f"**{self.title}**\n\n{table}\n"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {"title": self.title, "columns": dict(self.columns), "rows": [list(row) for row in self.rows]}

    def _sides(self) -> dict[str, bool]:
        return {name: i == 0 or spec == LEFT for i, (name, spec) in enumerate(self.columns.items())}


class Output:
    """What a benchmark says: printed as it comes, and written as JSON at the end.

    Parameters
    ----------
    documentation : str
        Docstring of the benchmark; its first sentence says what is measured.
    options : argparse.Namespace
        As of `arguments`.
    """

    def __init__(self, documentation: str | None, options: argparse.Namespace) -> None:
        self._options = options
        self._title = (documentation or "").partition("\n\n")[0].replace("\n", " ").strip().rstrip(".")
        self._notes: list[str] = []
        self._sheets: list[Sheet] = []
        self.console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        self.console.print(machine(), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line."""
        self._notes.append(text)
        self.console.print(text, soft_wrap=True, markup=False)

    def show(self, sheet: Sheet) -> None:
        """Print a table."""
        self._sheets.append(sheet)
        if self._options.markdown:
            print(sheet.markdown())
        else:
            self.console.print(sheet.rich())

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        """Write the file that ``--json`` names, unless the benchmark failed."""
        if kind is None and self._options.json:
            write_json(self._options.json, self.facts())

    def facts(self) -> dict[str, Any]:
        """All that was said, with when, where and by which command."""
        about = {"title": self._title, "command": _command(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
        said = {"notes": self._notes, "sheets": [sheet.facts() for sheet in self._sheets]}
        return {**about, "machine": machine_facts(), "versions": versions(), **said}


def arguments(documentation: str | None) -> argparse.ArgumentParser:
    """Options that all benchmarks have; the module's docstring is the help."""
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, versions, date and figures there too")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    return parser


def machine() -> str:
    """Where and with what this is measured, in one line."""
    about = machine_facts()
    return f"{about['processor']}, {about['cores']} cores, {about['threads']} thread(s), " + ", ".join(
        f"{name} {version}" for name, version in versions().items()
    )


def machine_facts() -> dict[str, Any]:
    """Processor, its cores, threads that count votes, and how busy the machine is."""
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    numba = sys.modules.get("numba")  # asked only where the benchmark counts votes in this process
    threads = int(numba.config.NUMBA_NUM_THREADS) if numba else int(os.environ.get("NUMBA_NUM_THREADS", 1))
    return {"processor": _processor(), "cores": cores, "threads": threads, "load": load}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed, and the commit of this checkout."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if commit := _commit():
        found["evo-ensyth"] = f"{evo_ensyth.__version__} ({commit})"
    return found


def _commit() -> str:
    """The commit of this checkout, with a plus where files differ from it; empty outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _command() -> str:
    """How the benchmark was called, without the file that it writes to."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--json":
            next(words, None)
        elif not word.startswith("--json=") and word != "--markdown":
            kept.append(word)
    return " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *kept])


def _text(value: Value, spec: str) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else format(value, spec)
