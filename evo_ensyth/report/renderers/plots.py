"""The picture of a front, search and test split side by side: ``front.png`` and ``front.svg``."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evo_ensyth.plugins import unknown
from evo_ensyth.report.drawing import COLOURS, LEGEND_WIDTH, STYLE, figure_files, shown_name
from evo_ensyth.report.facts import Facts, Line, gather
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

TITLES = {"search": "search split: used to choose, so optimistic", "test": "test split: never seen by the search"}


def render(facts: Facts) -> dict[str, bytes]:
    """Return ``front.png`` and ``front.svg``."""
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
        return figure_files(figure, "front")


def _explained(panels: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """All that the last panel shows, and what only another does; handles and labels."""
    handles, labels = panels[-1].get_legend_handles_labels()
    for panel in panels[:-1]:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    return handles, labels


def plot_fronts(runs: Sequence[Run], split: str = "search", ax: Axes | None = None) -> Axes:
    """Draw the fronts of runs of one problem as one split sees them, and return the axes; see `Run.plot`."""
    facts = gather(runs)
    if split not in facts.splits:
        raise unknown("split of this run", split, facts.splits)
    if ax is None:
        import matplotlib.pyplot as plt  # only here: it chooses a backend that opens windows

        ax = plt.subplots(figsize=(7, 4.4))[1]
    draw_front(ax, facts, split)
    ax.set_ylabel(_label(facts, facts.axes[1]))
    ax.legend(fontsize=9)
    return ax


def draw_front(axes: Axes, facts: Facts, split: str) -> None:
    """Draw all fronts, the best single member and the whole pool, as one split sees them."""
    for i, line in reversed(list(enumerate(facts.lines))):
        _draw_line(axes, facts, line, split, COLOURS[i % len(COLOURS)], main=i == 0)
    for (name, ensemble), marker in zip(facts.references.items(), ("*", "s"), strict=True):
        point = _point(facts, ensemble, split)
        axes.plot(*point, marker, color="black", markersize=9, markerfacecolor="none", label=name, zorder=4)
    if split in facts.parent and facts.axes[1] == "error":
        axes.axhline(100 * facts.parent[split], color="black", linestyle=":", linewidth=1, label="parent", zorder=1)
    axes.set_title(TITLES[split], loc="left", fontsize=10)
    axes.set_xlabel(_label(facts, facts.axes[0]))
    if facts.main.n_members > 12 and facts.axes[0] == "n_members":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")


def _draw_line(axes: Axes, facts: Facts, line: Line, split: str, colour: str, *, main: bool) -> None:
    points = [_point(facts, ensemble, split) for ensemble in line.front]
    x, y = zip(*sorted(points), strict=True)
    look: dict[str, Any] = {"color": colour, "label": shown_name(line.label), "zorder": 3 if main else 2}
    axes.plot(x, y, "o-" if main else "o--", markersize=5 if main else 3.5, linewidth=1.8 if main else 1.1, **look)
    if main and split == "test" and facts.axes[1] == "error":
        for i, ensemble in enumerate(line.front):
            interval = ensemble.interval("test")
            assert interval is not None
            position = _point(facts, ensemble, split)[0]
            ends = [100 * end for end in interval]
            bar: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.6, "markersize": 6}
            axes.plot([position, position], ends, "_-", label="" if i else "95 % interval", **bar)
    proven = [point for point, ensemble in zip(points, line.front, strict=True)
              if ensemble.size in line.front.proven_sizes]  # fmt: skip
    if main and proven and split == "search":
        ring: dict[str, Any] = {"color": colour, "markerfacecolor": "white", "markersize": 4, "markeredgewidth": 1.5}
        axes.plot(*zip(*proven, strict=True), "o", label="proven on the search split", zorder=4, **ring)
    if line.recommended is not None and main:
        point = _point(facts, line.recommended, split)
        axes.plot(*point, "o", markersize=13, markerfacecolor="none", color=colour, label="recommended", zorder=3)


def _point(facts: Facts, ensemble: Ensemble, split: str) -> tuple[float, float]:
    values = ensemble.search if split == "search" else ensemble.test
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
