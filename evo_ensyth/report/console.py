"""A run as text: the tables that the command line prints, and the representation of a run in Python."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evo_ensyth.errors import one_line
from evo_ensyth.report.facts import Facts, gather, headline, p_value, ranges, recommended_because
from evo_ensyth.results.comparison import BASELINES, Comparison
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

MEMBERS_SHOWN = 6
WIDTH = 140  # where there is no terminal
REPR_WIDTH = 100
BASELINE_COLUMNS = {"best_k": "best k", "single_best": "best", "whole_pool": "pool", "parent": "parent"}


def print_run(run: Run, folder: Path) -> None:
    """Print a run: its recommended ensemble, its front, and how it compares with the baselines."""
    console = new_console()
    facts = gather([run])
    recommended, front = run.recommended, run.front
    quality, *others = headline(run, recommended)
    say(console, f"recommended (*): {recommended.size} of {run.n_members} members. {quality}")
    if others:
        say(console, " ".join(others))
    console.print(_front_table(run))
    for warning in run.warnings:
        say(console, f"warning (!): {warning.text}")
    for line in facts.lines[1:]:
        for split in facts.splits:
            dominated, n_ensembles = line.dominated[split]
            say(console, f"{split} split: dominates {dominated} of the {n_ensembles} ensembles of {line.label}")
    say(console, _hypervolumes(facts))
    rate = front.n_evaluations / max(front.seconds, 1e-9)
    say(console, f"{front.n_evaluations:,} ensembles judged in {front.seconds:.2f} s, {rate:,.0f} a second")
    if front.proven_sizes:
        sizes = ranges(front.proven_sizes)
        say(
            console, f"proven (=): no ensemble of {sizes} members has a lower {front.leading} than shown up to its size"
        )
    if run.n_test:
        say(console, "minus best k: test error minus that of the k members with the lowest search error, in points")
        say(
            console,
            "p: McNemar's exact test, corrected by Holm for the whole front; intervals are in report.md",
        )
    say(console, f"recommended (*): {recommended_because(run)}")
    if run.constraints_in_words:
        say(console, f"all of them keep the constraints on the search split: {run.constraints_in_words}")
    say(console, _written(folder))


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
    for sentence in headline(run, ensemble):
        say(console, sentence)
    for warning in ensemble.warnings:
        say(console, f"warning: {warning.text}")


def print_comparison(runs: Sequence[Run], folder: Path) -> None:
    """Print several runs of one problem, one line for each front."""
    console = new_console()
    console.print(_comparison_table(runs))
    say(console, "size and errors are those of the recommended ensemble")
    say(console, _written(folder))


def comparison_as_text(runs: Sequence[Run]) -> str:
    """Return several runs of one problem as a table, one line for each front."""
    file = io.StringIO()
    Console(file=file, width=WIDTH, highlight=False, markup=False, emoji=False).print(_comparison_table(runs))
    return file.getvalue().rstrip()


def run_as_text(run: Run, n_rows: int) -> str:
    """Return a run as a short table, for its representation in Python.

    Parameters
    ----------
    run : Run
    n_rows : int
        Ensembles shown at most, and the recommended one.
    """
    front, best = run.front, run.recommended
    shown = [i for i in range(len(front)) if i < n_rows or i == run.recommended_index]
    lines = [f"<Run of {front.selector} on '{run.problem}', seed {run.seed}: {len(front)} ensembles>"]
    lines += ["   size  search error %    test error % (95 %)  members"]
    for i in shown:
        ensemble = front[i]
        mark = "*" if i == run.recommended_index else " "
        errors = f"{100 * ensemble.error('search'):>14.2f}  {_error(ensemble, 'test'):>21}"
        lines.append(f" {mark} {ensemble.size:>4}  {errors}  {_members(ensemble)}")
    lines += [f"   and {len(front) - len(shown)} more"] if len(front) > len(shown) else []
    lines += [f"recommended (*): {best.size} of {run.n_members} members; warnings: {len(run.warnings)}"]
    return "\n".join(_cut(one_line(line)) for line in lines)


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


def _front_table(run: Run) -> Table:
    others = [goal for goal in run.objectives if goal not in ("error", "n_members")]
    title = f"{run.problem}: {run.front.selector}, seed {run.seed}" + (" (interrupted)" if run.interrupted else "")
    table = Table(title=one_line(title), title_justify="left")
    shown = [name for name in BASELINES if run.n_test and any(name in ensemble.comparisons for ensemble in run.front)]
    columns = ["", "size", "search error %", "test error % (95 %)"]
    columns += [f"minus {BASELINE_COLUMNS[name]}, p" for name in shown] + others
    for column in columns:
        table.add_column(one_line(column), justify="right")
    table.add_column("members", overflow="fold")
    for i, ensemble in enumerate(run.front):
        mark = ("=" if ensemble.size in run.front.proven_sizes else "") + ("*" if i == run.recommended_index else "")
        mark += "!" if i == run.recommended_index and run.warnings else ""
        differences = [_difference(ensemble.comparisons.get(name)) for name in shown]
        table.add_row(mark, *_row(ensemble, differences, others), one_line(_members(ensemble)))
    table.add_section()
    for name, ensemble in (("best single member", run.single_best), ("whole pool", run.whole_pool)):
        table.add_row("", *_row(ensemble, [""] * len(shown), others), f"({name})")
    return table


def _row(ensemble: Ensemble, differences: list[str], others: list[str]) -> list[str]:
    errors = [f"{100 * ensemble.error('search'):.2f}", _error(ensemble, "test")]
    return [str(ensemble.size), *errors, *differences, *(f"{ensemble.search[goal]:,.6g}" for goal in others)]


def _difference(comparison: Comparison | None) -> str:
    if comparison is None or comparison.on_test is None:
        return "the same"
    return f"{100 * comparison.on_test:+.2f}, {p_value(comparison.corrected)}"


def _error(ensemble: Ensemble, split: str) -> str:
    interval = ensemble.interval(split)
    if interval is None:
        return "-"
    return f"{100 * ensemble.error(split):.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def _cut(line: str) -> str:
    return line if len(line) <= REPR_WIDTH else line[: REPR_WIDTH - 3] + "..."


def _members(ensemble: Ensemble) -> str:
    shown = ", ".join(ensemble.members[:MEMBERS_SHOWN])
    return shown if ensemble.size <= MEMBERS_SHOWN else f"{shown} and {ensemble.size - MEMBERS_SHOWN} more"


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
