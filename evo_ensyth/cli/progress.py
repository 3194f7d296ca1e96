"""How far a long command is: a bar on a terminal, a plain line now and then elsewhere, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from evo_ensyth.cli.options import say_notes
from evo_ensyth.errors import one_line
from evo_ensyth.report.words import duration
from evo_ensyth.selection.run import Progress as SearchProgress

# Where there is no terminal, one plain line at most so often.
SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def search_progress(*, quiet: bool) -> Iterator[Callable[[SearchProgress], None]]:
    """Show how far a search is; the block gets the function that `api.search` calls."""
    with _progress(quiet) as show:

        def on_progress(progress: SearchProgress) -> None:
            if progress.note and not quiet:
                say_notes([progress.note])
            text = f"{progress.selector}: {progress.n_evaluations:,} judged, hypervolume {progress.hypervolume:.6g}"
            left = "" if progress.seconds_left is None else f"at most {duration(progress.seconds_left)} left"
            show(progress.n_evaluations, progress.budget, "; ".join(filter(None, [text, left, progress.message])))

        yield on_progress


@contextmanager
def pool_progress(*, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Show how far a pool is; the block gets a function of (done, total, text)."""
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
