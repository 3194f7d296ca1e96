"""The picture of a front: search and test split side by side, on one scale."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evo_ensyth.errors import one_line
from evo_ensyth.files import write_whole
from evo_ensyth.report.facts import MARKS, Facts, Line
from evo_ensyth.results.run import Entry, Run

# Okabe and Ito's colours, told apart by people who see few; the first is for what the report is about.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
TITLES = {"search": "search split: chosen here, so it flatters", "test": "test split: never seen by the search"}
LEGEND_WIDTH = 2.0  # inches
LONGEST_NAME = 60  # characters: a longer one would leave no room for the axes
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "font.size": 10,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.usetex": False,
    "svg.hashsalt": "evo_ensyth",
    "svg.fonttype": "none",
}


def write_front(facts: Facts, folder: Path) -> None:
    """Write ``front.png`` and ``front.svg``; the same facts give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2 * len(facts.splits) + LEGEND_WIDTH, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(facts.splits), sharex=True, sharey=True, squeeze=False)[0]
        for axes, split in zip(panels, facts.splits, strict=True):
            draw_front(axes, facts, split)
        panels[0].set_ylabel(_label(facts, facts.axes[1]))
        # Beside the panels: inside, it would lie on the intervals.
        figure.legend(*_explained(panels), loc="outside right upper", frameon=False, fontsize=9)
        title = f"{shown_name(facts.problem)}: which few of {facts.main.n_members} members should vote?"
        figure.suptitle(title, x=0.01, ha="left")
        notes = [f"Warning: {warning.text}" for warning in facts.main.warnings]
        if notes:
            figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=8)
        write_figure(figure, folder / "front")


def _explained(panels: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """All that the last panel shows, and what only another does; handles and labels."""
    handles, labels = panels[-1].get_legend_handles_labels()
    for panel in panels[:-1]:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    return handles, labels


def write_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as ``.png`` and ``.svg``; the same figure gives the same bytes. To be called within `STYLE`."""
    with warnings.catch_warnings():
        # The reader sees a box instead of the character; the SVG has the character.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            file = io.BytesIO()
            figure.savefig(file, format=kind, dpi=140, metadata=metadata)
            write_whole(stem.with_name(f"{stem.name}.{kind}"), file.getvalue())


def draw_front(axes: Axes, facts: Facts, split: str) -> None:
    """Draw all lines, and the best single member and the whole pool, as one split sees them."""
    for i, line in reversed(list(enumerate(facts.lines))):
        _draw_line(axes, facts, line, split, COLOURS[i % len(COLOURS)], main=i == 0)
    for (name, entry), marker in zip(facts.marks.items(), ("*", "s"), strict=False):
        point = _point(facts, facts.main, entry, split)
        axes.plot(*point, marker, color="black", markersize=9, markerfacecolor="none", label=MARKS[name], zorder=4)
    if split in facts.parent and facts.axes[1] == "error":
        axes.axhline(100 * facts.parent[split], color="black", linestyle=":", linewidth=1, label="parent", zorder=1)
    axes.set_title(TITLES[split], loc="left", fontsize=10)
    axes.set_xlabel(_label(facts, facts.axes[0]))
    if facts.main.n_members > 12 and facts.axes[0] == "n_members":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")


def _draw_line(axes: Axes, facts: Facts, line: Line, split: str, colour: str, *, main: bool) -> None:
    points = [_point(facts, line.run, entry, split) for entry in line.selection.entries]
    x, y = zip(*sorted(points), strict=True)
    look: dict[str, Any] = {"color": colour, "label": shown_name(line.label), "zorder": 3 if main else 2}
    axes.plot(x, y, "o-" if main else "o--", markersize=5 if main else 3.5, linewidth=1.8 if main else 1.1, **look)
    if main and split == "test" and facts.axes[1] == "error":
        for i, entry in enumerate(line.selection.entries):
            interval = line.run.test_interval(entry)
            assert interval is not None
            position = _point(facts, line.run, entry, split)[0]
            ends = [100 * end for end in interval]
            bar: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.6, "markersize": 6}
            axes.plot([position, position], ends, "_-", label="" if i else "95 % interval", **bar)
    proven = [point for point, entry in zip(points, line.selection.entries, strict=True)
              if entry.size in line.selection.certified_sizes]  # fmt: skip
    if main and proven and split == "search":
        ring: dict[str, Any] = {"color": colour, "markerfacecolor": "white", "markersize": 4, "markeredgewidth": 1.5}
        axes.plot(*zip(*proven, strict=True), "o", label="proven on the search split", zorder=4, **ring)
    if line.chosen is not None and main:
        point = _point(facts, line.run, line.chosen, split)
        axes.plot(*point, "o", markersize=13, markerfacecolor="none", color=colour, label="recommended", zorder=3)


def _point(facts: Facts, run: Run, entry: Entry, split: str) -> tuple[float, float]:
    values = entry.search if split == "search" else entry.test
    assert values is not None
    x, y = (values[axis] * (100 if axis == "error" else 1) for axis in facts.axes)
    return x, y


def _label(facts: Facts, objective: str) -> str:
    if objective == "error":
        return "error of the vote, %"
    if objective == "n_members":
        return "members"
    unit = facts.main.units[facts.main.objectives.index(objective)]
    return f"{shown_name(objective)}, {shown_name(unit)}" if unit else shown_name(objective)


def shown_name(text: str) -> str:
    """Shorten what would not fit, and leave out what could not be drawn."""
    text = one_line(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."
