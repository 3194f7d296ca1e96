"""How far a long command is: a bar on a terminal, a plain line now and then elsewhere, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from evo_ensyth.errors import one_line
from evo_ensyth.results.run import Milestone

# Where there is no terminal, one plain line at most so often.
SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def search_progress(
    *, quiet: bool
) -> Iterator[tuple[Callable[[str, Milestone, int | None], None], Callable[[str, str], None]]]:
    """Show how far a search is; hands out functions of (selector, milestone, budget) and of (selector, words)."""
    with _progress(quiet) as show:
        said: dict[str, str] = {}

        def observe(selector: str, milestone: Milestone, budget: int | None) -> None:
            text = f"{selector}: {milestone.evaluations:,} judged, hypervolume {milestone.hypervolume:.6g}"
            show(milestone.evaluations, budget, "; ".join([text, *filter(None, [said.get(selector)])]))

        def tell(selector: str, text: str) -> None:
            said[selector] = text
            show(0, None, f"{selector}: {text}")

        yield observe, tell


@contextmanager
def pool_progress(*, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Show how far a pool is; hands out a function of (done, total, text)."""
    with _progress(quiet) as show:
        yield lambda done, total, text: show(done, total, text)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int | None, str], None]]:
    if quiet:
        yield lambda done, total, text: None
    elif sys.stderr.isatty():
        columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda done, total, text: bar.update(task, completed=done, total=total, description=one_line(text))
    else:
        last = time.monotonic()

        def line(done: int, total: int | None, text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"{done:,} of {total:,}: {text}" if total else text, file=sys.stderr, flush=True)

        yield line
