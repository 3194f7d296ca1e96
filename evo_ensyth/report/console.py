"""A run as text: the tables that the command line prints, and the representation of a run in Python."""

import io
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from evo_ensyth.errors import one_line
from evo_ensyth.report.facts import Facts, gather, recommended_because
from evo_ensyth.report.front_table import FrontTable, front_table, shortened
from evo_ensyth.report.verdict import beside_parent, beside_simpler, expected_error, title, verdict
from evo_ensyth.report.words import about_splits, ranges
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.register import RunRegister
from evo_ensyth.results.run import Run

WIDTH = 120  # where there is no terminal
REPR_WIDTH = 100
SENTENCE_LINES = (3, 2, 5)  # at most, of that width
LEAST_FOR_NAMES = 14
HEADER_WIDTH = 12
LEAST_COMPILING = 0.05  # seconds worth a word


def print_run(run: Run, folder: Path | None, *, everything: bool = False) -> None:
    """Print a run: the verdict, its front beside the baselines, how it was found, and the verdict again.

    Parameters
    ----------
    run : Run
    folder : Path, optional
        Where it was written.
    everything : bool
        Show all ensembles of the front, however many there are.
    """
    console = new_console()
    facts = gather([run])
    sentences = verdict(run)
    for line in (title(run), *sentences, ""):
        say(console, line)
    table = front_table(run, everything=everything)
    if not (compared := _width(table) + LEAST_FOR_NAMES <= console.width):
        table = front_table(run, everything=everything, compared=False)
    console.print(_drawn(table, console.width))
    if table.n_left:
        say(console, f"and {table.n_left} more ensembles; --all shows them, and so does report.md")
    written = [] if folder is None else [_written(folder)]
    splits = [about_splits(run.source["splits"])] if "splits" in run.source else []
    for line in (*_legend(run, compared=compared), "", *_account(facts), *splits, *written, "", *sentences):
        say(console, line)


def _legend(run: Run, *, compared: bool) -> list[str]:
    """What the marks of the table mean, and its columns or, where there was no room for them, where they are."""
    lines = [f"* recommended: {recommended_because(run)}"]
    front = run.front
    if front.proven_sizes:
        sizes = ranges(front.proven_sizes)
        lines.append(f"= proven: no ensemble of {sizes} members has a lower {front.leading} than shown up to its size")
    if run.n_test and not run.leading_metric and not compared:
        lines.append(
            "how each compares with the best k members, the best single member and the whole pool is in report.md"
        )
    elif run.n_test and not run.leading_metric:
        lines.append(
            "minus: test error minus that of the best k members by search error (as many as the ensemble has), the "
            "best single member, the whole pool, in points"
        )
        lines.append("p: McNemar's exact test, corrected by Holm for the whole front; intervals are in report.md")
    if run.constraints_in_words:
        lines.append(f"all of them keep the constraints on the search split: {run.constraints_in_words}")
    return lines


def _account(facts: Facts) -> list[str]:
    """How the search went, beside its baselines."""
    front = facts.main.front
    rate = front.n_evaluations / max(front.seconds, 1e-9)
    lines = [f"{front.n_evaluations:,} ensembles judged in {front.seconds:.2f} s, {rate:,.0f} a second"]
    compiling = sum(line.front.seconds_compiling for line in facts.lines)
    if compiling >= LEAST_COMPILING:
        lines[0] += f"; compiling took another {compiling:.1f} s, and is kept for the next search"
    if front.ended_by == "patience":
        limit = "time" if facts.main.budget is None else "budget"
        lines.append(f"ended early: no gain for {facts.main.patience:.0%} of its {limit}; --patience 0 uses all of it")
    lines.append(_hypervolumes(facts))
    for line in facts.lines[1:]:
        for split in facts.splits:
            dominated, n_ensembles = line.dominated[split]
            lines.append(f"{split} split: dominates {dominated} of the {n_ensembles} ensembles of {line.label}")
    return lines


def print_pick(run: Run, ensemble: Ensemble, rule: str) -> None:
    """Print one ensemble of a run: who votes, how well, at what cost, and how it compares with the baselines."""
    console = new_console()
    say(console, f"{run.problem}: {ensemble.size} of {run.n_members} members, {rule}")
    for name, position in zip(ensemble.members, ensemble.indices, strict=True):
        say(console, f"  {name} ({position})")
    say(console, f"vote: {run.vote}")
    for split in ("search", "test"):
        say(console, f"{split} error % (95 %): {_error(ensemble, split)}")
    for cost, value in ensemble.all_costs.items():
        if cost not in ("error", "n_members"):
            say(console, f"{cost}: {value:,.12g}")
    for sentence in (expected_error(run, ensemble), beside_simpler(run, ensemble), beside_parent(run, ensemble)):
        if sentence:
            say(console, sentence)


def print_comparison(runs: Sequence[Run], folder: Path) -> None:
    """Print several runs of one problem, one line for each front."""
    console = new_console()
    console.print(_comparison_table(runs))
    say(console, "size and errors are those of the recommended ensemble")
    say(console, _written(folder))


def comparison_as_text(runs: Sequence[Run]) -> str:
    """Return several runs of one problem as a table, one line for each front."""
    return _as_text(_comparison_table(runs))


def print_register(register: RunRegister) -> None:
    """Print a list of runs."""
    console = new_console()
    console.print(_register_table(register))
    say(console, "error: of the recommended ensemble, on the test split where there is one; --json has more")


def register_as_text(register: RunRegister) -> str:
    """Return a list of runs as a table."""
    return _as_text(_register_table(register))


def run_as_text(run: Run) -> str:
    """Return the verdict on a run and a short table of its front, for its representation in Python."""
    table = front_table(run, compared=False)
    lines = textwrap.wrap(
        one_line(f"<Run of {title(run)}>"), REPR_WIDTH, max_lines=2, placeholder=" ...", break_on_hyphens=False
    )
    for sentence, most in zip(verdict(run), SENTENCE_LINES, strict=True):
        lines += textwrap.wrap(
            one_line(sentence), REPR_WIDTH, max_lines=most, placeholder=" ...", break_on_hyphens=False
        )
    cells = (table.header, *table.rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row, names in zip(cells, (("members",), *table.members), strict=True):
        left = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"{left}  {shortened(names, max(LEAST_FOR_NAMES, REPR_WIDTH - len(left) - 2))}")
    lines += [f"and {table.n_left} more"] if table.n_left else []
    return "\n".join(line if len(line) <= REPR_WIDTH else f"{line[: REPR_WIDTH - 3]}..." for line in lines)


def _comparison_table(runs: Sequence[Run]) -> Table:
    facts = gather(runs)
    table = Table(title=one_line(f"{facts.problem}: {len(facts.lines)} fronts"), title_justify="left")
    columns = ["selector", "seed", "evaluations", "seconds", "hypervolume", "ensembles", "size"]
    for column in (*columns, "search error %", "test error %"):
        table.add_column(column, justify="left" if column == "selector" else "right")
    for line in facts.lines:
        front, best = line.front, line.recommended
        about_best = ["", "", ""]
        if best:
            about_best = [str(best.size), f"{100 * best.error('search'):.2f}", _error(best, "test")]
        table.add_row(
            one_line(front.selector), str(line.run.seed), f"{front.n_evaluations:,}", f"{front.seconds:.2f}",
            f"{front.hypervolume:.6g}", str(len(front)), *about_best,
        )  # fmt: skip
    return table


def _register_table(register: RunRegister) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("time (UTC)", "run", "problem", "vote", "recommended", "error %", "command"):
        is_number = column == "error %"
        fixed = is_number or column == "time (UTC)"
        table.add_column(column, justify="right" if is_number else "left", overflow="fold", no_wrap=fixed)
    for run in register:
        size = f"{len(run.recommended)} of {run.n_members}" + (f", {run.interrupted_by}" if run.interrupted_by else "")
        error = run.search_error if run.test_error is None else run.test_error
        time = (run.time or "-").replace("T", " ").rstrip("Z")
        cells = (time, run.folder, run.problem, run.vote, size, f"{100 * error:.2f}", run.command or "-")
        table.add_row(*map(one_line, cells))
    return table


def _as_text(table: Table) -> str:
    file = io.StringIO()
    Console(file=file, width=WIDTH, highlight=False, markup=False, emoji=False).print(table)
    return file.getvalue().rstrip()


def _drawn(table: FrontTable, width: int) -> Table:
    drawn = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in table.header:
        drawn.add_column(_folded(column), justify="right", no_wrap=True)
    drawn.add_column("members", no_wrap=True)
    for_names = max(LEAST_FOR_NAMES, width - _width(table))
    for i, (row, names) in enumerate(zip(table.rows, table.members, strict=True)):
        if i == len(table.rows) - 2:  # the best single member and the whole pool
            drawn.add_section()
        drawn.add_row(*row, shortened(names, for_names))
    return drawn


def _width(table: FrontTable) -> int:
    """Characters that the columns take without the names of members."""
    columns = zip(map(_folded, table.header), *table.rows, strict=True)
    return sum(2 + max(len(line) for cell in column for line in cell.split("\n")) for column in columns)


def _folded(header: str) -> str:
    """Break a long header at its spaces and underscores."""
    lines = [""]
    for part in re.split(r"(?<=[_ ])", header):
        if lines[-1] and len(lines[-1] + part) > HEADER_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _error(ensemble: Ensemble, split: str) -> str:
    interval = ensemble.interval(split)
    if interval is None:
        return "-"
    return f"{100 * ensemble.error(split):.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def _written(folder: Path) -> str:
    return f"written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}"


def _hypervolumes(facts: Facts) -> str:
    volumes = ", ".join(f"{line.label} {line.front.hypervolume:.6g}" for line in facts.lines)
    reference = ", ".join(f"{value:g}" for value in facts.main.reference_point)
    return f"hypervolume on the search split: {volumes} (reference point {reference})"


def say(console: Console, text: str) -> None:
    """Print one line, whatever is in it."""
    console.print(one_line(text), soft_wrap=True)  # the terminal may fold it; we never cut a path in two


class _Console(Console):
    """A console that lets the program see that whoever read its output has gone."""

    def on_broken_pipe(self) -> None:
        """Rich would end the program with status 1."""
        raise BrokenPipeError


def new_console() -> Console:
    """Make a console for standard output that takes every text as it is."""
    # Names are shown as they are: [red] is no colour, and :bug: is no picture.
    # Off a terminal rich would fold at 80 columns; a file has no width.
    return _Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False, emoji=False)
