"""What a person sees of a run: tables on standard output."""

import sys

from rich.console import Console
from rich.table import Table

from evo_ensyth.errors import one_line
from evo_ensyth.report.facts import MARKS, Facts, gather, headline, leading, p_value, ranges
from evo_ensyth.results.comparison import RIVALS, Comparison
from evo_ensyth.results.pick import VOTE, costs_of
from evo_ensyth.results.run import Entry, Run

MEMBERS_SHOWN = 6
RIVAL_COLUMNS = {"best_k": "best k", "single_best": "best", "parent": "parent"}


def print_run(run: Run, folder: str) -> None:
    """Print a run: its front, and how the others compare."""
    console = new_console()
    facts = gather([run])
    entry = run.found.entries[run.chosen]
    quality, *others = headline(run, run.chosen)
    say(console, f"recommended (*): {entry.size} of {run.n_members} members. {quality}")
    if others:
        say(console, " ".join(others))
    console.print(_front_table(run))
    for warning in run.warnings:
        say(console, f"warning (!): {warning.text}")
    for line in facts.lines[1:]:
        for split in facts.splits:
            dominated, points = line.dominated[split]
            say(console, f"{split} split: dominates {dominated} of the {points} points of {line.label}")
    say(console, _hypervolumes(facts))
    rate = run.found.evaluations / max(run.found.seconds, 1e-9)
    say(console, f"{run.found.evaluations:,} ensembles judged in {run.found.seconds:.2f} s, {rate:,.0f} a second")
    if run.found.certified_sizes:
        sizes = ranges(run.found.certified_sizes)
        say(console, f"proven (=): no ensemble of {sizes} members has a lower search error than shown up to its size")
    if run.n_test:
        say(console, "minus best k: test error minus that of as many members, the best on the search split, in points")
        say(
            console,
            "p: McNemar's exact test, corrected by Holm for all points of the front; intervals are in report.md",
        )
    say(console, "recommended (*): the lowest error on the search split; of equals, the smallest")
    if leading(run):
        say(console, leading(run))
    if run.bounds_in_words:
        say(console, f"all of them keep to the bounds on the search split: {run.bounds_in_words}")
    say(console, f"written to {folder}: run.json, front.csv, history.csv, front.png, front.svg, report.md")


def print_pick(run: Run, index: int, rule: str) -> None:
    """Print one ensemble of a run: who votes, how well, at what cost, and beside what."""
    console = new_console()
    entry = run.found.entries[index]
    say(console, f"{run.problem}: {entry.size} of {run.n_members} members, {rule}")
    for name, position in zip(entry.members, entry.indices, strict=True):
        say(console, f"  {name} ({position})")
    say(console, f"they vote by {VOTE}")
    low, high = run.search_interval(entry)
    say(console, f"search error % (95 %): {100 * run.error(entry, 'search'):.2f} ({100 * low:.2f} to {100 * high:.2f})")
    say(console, f"test error % (95 %): {_test(run, entry)}")
    for cost, value in costs_of(entry).items():
        if cost not in ("error", "n_members"):
            say(console, f"{cost}: {value:,.12g}")
    for sentence in headline(run, index):
        say(console, sentence)
    for warning in run.warnings_of(index):
        say(console, f"warning: {warning.text}")


def print_comparison(runs: list[Run], folder: str) -> None:
    """Print several runs of one problem, one line for each."""
    console = new_console()
    facts = gather(runs)
    table = Table(title=one_line(f"{facts.problem}: {len(facts.lines)} fronts"), title_justify="left")
    columns = (
        "selector",
        "seed",
        "evaluations",
        "seconds",
        "hypervolume",
        "points",
        "size",
        "search error %",
        "test error %",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "selector" else "right")
    for line in facts.lines:
        best = line.chosen
        told = [str(best.size), f"{100 * line.run.error(best, 'search'):.2f}", _test(line.run, best)] if best else []
        table.add_row(
            one_line(line.selection.selector), str(line.run.seed), f"{line.selection.evaluations:,}",
            f"{line.selection.seconds:.2f}", f"{line.selection.hypervolume:.6g}", str(len(line.selection.entries)),
            *(told or ["", "", ""]),
        )  # fmt: skip
    console.print(table)
    say(console, "size and errors are those of the recommended ensemble")
    say(console, f"written to {folder}: front.png, front.svg, report.md")


def _front_table(run: Run) -> Table:
    others = [goal for goal in run.objectives if goal not in ("error", "n_members")]
    title = f"{run.problem}: {run.found.selector}, seed {run.seed}" + (" (interrupted)" if run.interrupted else "")
    table = Table(title=one_line(title), title_justify="left")
    rivals = [rival for rival in RIVALS if run.n_test and any(rival in beside for beside in run.comparisons)]
    columns = ["", "size", "search error %", "test error % (95 %)"]
    columns += [f"minus {RIVAL_COLUMNS[rival]}, p" for rival in rivals] + others
    for column in columns:
        table.add_column(one_line(column), justify="right")
    table.add_column("members", overflow="fold")
    for i, entry in enumerate(run.found.entries):
        mark = ("=" if entry.size in run.found.certified_sizes else "") + ("*" if i == run.chosen else "")
        mark += "!" if i == run.chosen and run.warnings else ""
        beside = [_difference(run.comparisons[i].get(rival)) for rival in rivals]
        table.add_row(mark, *_row(run, entry, beside, others), one_line(_members(entry)))
    table.add_section()
    for name, entry in run.marks.items():
        table.add_row("", *_row(run, entry, [""] * len(rivals), others), f"({MARKS[name]})")
    return table


def _row(run: Run, entry: Entry, beside: list[str], others: list[str]) -> list[str]:
    search = f"{100 * run.error(entry, 'search'):.2f}"
    return [str(entry.size), search, _test(run, entry), *beside, *(f"{entry.search[goal]:,.6g}" for goal in others)]


def _difference(comparison: Comparison | None) -> str:
    if comparison is None or comparison.on_test is None:
        return "the same"
    return f"{100 * comparison.on_test:+.2f}, {p_value(comparison.corrected)}"


def _test(run: Run, entry: Entry) -> str:
    interval = run.test_interval(entry)
    if interval is None:
        return "-"
    return f"{100 * run.error(entry, 'test'):.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def _members(entry: Entry) -> str:
    shown = ", ".join(entry.members[:MEMBERS_SHOWN])
    return shown if entry.size <= MEMBERS_SHOWN else f"{shown} and {entry.size - MEMBERS_SHOWN} more"


def _hypervolumes(facts: Facts) -> str:
    volumes = ", ".join(f"{line.label} {line.selection.hypervolume:.6g}" for line in facts.lines)
    reference = ", ".join(f"{value:g}" for value in facts.main.reference)
    return f"hypervolume on the search split: {volumes} (reference point {reference})"


def say(console: Console, text: str) -> None:
    """Print one line, whatever is in it."""
    console.print(one_line(text), soft_wrap=True)  # the terminal may fold it; we never cut a path in two


def new_console() -> Console:
    """Make a console for standard output that takes every text as it is."""
    # Names are shown as they are: [red] is no colour, and :bug: is no picture.
    # Off a terminal rich would fold at 80 columns; a file has no width.
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False, emoji=False)
