"""The picture of a front: what leads the search, and the error on both splits: ``front.png`` and ``front.svg``."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, NullLocator

from evo_ensyth.plugins import unknown
from evo_ensyth.report.drawing import COLOURS, LEGEND_WIDTH, STYLE, axes_or_new, figure_files, shown_name
from evo_ensyth.report.facts import Facts, Line, gather
from evo_ensyth.report.verdict import verdict
from evo_ensyth.results.comparison import baseline_name
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

TITLES = {"search": "error on the search split (optimistic)", "test": "error on the test split (unseen)"}
PANEL_WIDTH = 4.3  # inches
SIZES = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)
NAME_HEIGHT = 0.065  # of a panel, as the next one
NAME_GAP = 0.04  # from a point to its name
LETTER_WIDTH = 0.024
LARGE = 10_000  # from here on, ticks are 20k, 3M
LETTERS = 14  # of a note, in an inch


def render(facts: Facts) -> dict[str, bytes]:
    """Return ``front.png`` and ``front.svg``."""
    with mpl.rc_context(STYLE):
        leads = facts.axes[1]
        shown = [] if leads == "error" else [(leads, "search")]
        shown += [("error", split) for split in facts.splits]
        figure = Figure(figsize=(PANEL_WIDTH * len(shown) + LEGEND_WIDTH, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(shown), sharex=True, squeeze=False)[0]
        of_errors = panels[-len(facts.splits) :]
        of_errors[-1].sharey(of_errors[0])
        for axes, (upwards, split) in zip(panels, shown, strict=True):
            draw_front(facts, split, upwards, axes)
        for axes, (upwards, split) in zip(panels, shown, strict=True):  # when the limits of all are known
            _name_points(axes, facts, split, upwards)
        # Beside the panels: inside, it would lie on the intervals.
        figure.legend(*_explained(panels), loc="outside right upper", frameon=False, fontsize=9)
        title = f"{shown_name(facts.problem)}: which few of {facts.main.n_members} members should vote?"
        figure.suptitle(title, x=0.01, ha="left")
        notes = textwrap.wrap(" ".join(verdict(facts.main)[1:]), int(LETTERS * figure.get_figwidth()))
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
    upwards = "error" if split == "test" else facts.axes[1]
    ax = draw_front(facts, split, upwards, ax)
    _name_points(ax, facts, split, upwards)
    ax.legend(fontsize=9)
    return ax


def draw_front(facts: Facts, split: str, upwards: str = "error", ax: Axes | None = None) -> Axes:
    """Draw all fronts, the best single member and the whole pool, as one split sees them, and return the axes.

    Parameters
    ----------
    facts : Facts
    split : str
    upwards : str
        The error, or another objective.
    ax : Axes, optional
        Where to draw; by default on new ones.
    """
    axes = axes_or_new(ax)
    for i, line in reversed(list(enumerate(facts.lines))):
        _draw_line(axes, facts, line, split, upwards, COLOURS[i % len(COLOURS)], main=i == 0)
    for (name, ensemble), marker in zip(facts.references.items(), ("*", "s"), strict=True):
        point = _point(facts, ensemble, split, upwards)
        axes.plot(*point, marker, color="black", markersize=9, markerfacecolor="none", label=name, zorder=4)
    if upwards == "error":
        _draw_errors(axes, facts, split)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g} %"))
    axes.set_title(TITLES[split] if upwards == "error" else "what led the search", loc="left", fontsize=10)
    axes.set_ylabel("" if upwards == "error" else _label(facts, upwards))
    axes.set_xlabel(_label(facts, facts.axes[0]))
    if facts.axes[0] == "n_members":
        if facts.main.n_members > 12:
            axes.set_xscale("log")
            axes.set_xticks([size for size in SIZES if size <= 1.5 * axes.get_xlim()[1]], minor=False)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlim(0.8, 1.3 * facts.main.n_members)
            axes.xaxis.set_major_formatter("{x:.0f}")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif abs(axes.get_xlim()[1]) >= LARGE:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    return axes


def _draw_errors(axes: Axes, facts: Facts, split: str) -> None:
    """Draw the parent's error, and the nested estimate with its interval."""
    run = facts.main
    if split in facts.parent:
        axes.axhline(100 * facts.parent[split], color="black", linestyle=":", linewidth=1, label="parent", zorder=1)
    position = _point(facts, run.recommended, split, "error")[0]
    if split == "search" and run.estimate is not None:
        middle, (low, high) = 100 * run.estimate.error, (100 * end for end in run.estimate.interval)
        axes.errorbar(
            [position], [middle], [[middle - low], [high - middle]], fmt="D", color=COLOURS[1], markersize=5,
            capsize=4, linewidth=1.2, label="nested estimate, 95 % interval", zorder=5,
        )  # fmt: skip


def _draw_line(axes: Axes, facts: Facts, line: Line, split: str, upwards: str, colour: str, *, main: bool) -> None:
    points = [_point(facts, ensemble, split, upwards) for ensemble in line.front]
    best = _steps(points)
    look: dict[str, Any] = {"color": colour, "zorder": 3 if main else 2}
    axes.plot(*zip(*best, strict=True), "-" if main else "--", linewidth=1.8 if main else 1.1, **look)
    dots: dict[str, Any] = {"markersize": 5 if main else 3.5, "label": shown_name(line.label), **look}
    axes.plot(*zip(*sorted(points), strict=True), "o", **dots)
    if main and split == "test":
        for i, ensemble in enumerate(line.front):
            interval = ensemble.interval("test")
            assert interval is not None
            position = _point(facts, ensemble, split, upwards)[0]
            ends = [100 * end for end in interval]
            bar: dict[str, Any] = {"color": colour, "linewidth": 0.8, "alpha": 0.4, "markersize": 6}
            axes.plot([position, position], ends, "_-", label="" if i else "95 % interval", **bar)
    proven = [point for point, ensemble in zip(points, line.front, strict=True)
              if ensemble.size in line.front.proven_sizes]  # fmt: skip
    if main and proven and split == "search" and upwards == line.front.leading:
        ring: dict[str, Any] = {"color": colour, "markerfacecolor": "white", "markersize": 4, "markeredgewidth": 1.5}
        axes.plot(*zip(*proven, strict=True), "o", label="proven on the search split", zorder=4, **ring)
    if line.recommended is not None and main:
        point = _point(facts, line.recommended, split, upwards)
        axes.plot(*point, "o", markersize=13, markerfacecolor="none", color=colour, label="recommended", zorder=3)


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other one is at least as good as in both: only these are joined by a line."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not kept or y < kept[-1][1]:
            kept.append((x, y))
    return kept


def _name_points(axes: Axes, facts: Facts, split: str, upwards: str) -> None:
    """Write the names of the recommended ensemble and its rivals beside their points, none over another."""
    run = facts.main
    recommended = _point(facts, run.recommended, split, upwards)
    named: dict[tuple[float, float], list[str]] = {recommended: ["recommended"]}
    for name, ensemble in facts.references.items():
        named.setdefault(_point(facts, ensemble, split, upwards), []).append(name)
    best_k = run.recommended.comparisons.get("best_k")
    if best_k and upwards == "error" and facts.axes[0] == "n_members" and run.recommended.size > 1:
        difference = best_k.on_search if split == "search" else best_k.on_test
        if difference is not None:
            point = (recommended[0], 100 * (run.recommended.error(split) - difference))
            named.setdefault(point, []).append(baseline_name("best_k", run.recommended.size))
            axes.plot(*point, "x", color="black", markersize=6, zorder=4)
    axes.autoscale_view()  # otherwise matplotlib finds the limits only when it draws
    to_axes = axes.transData + axes.transAxes.inverted()
    places = sorted((tuple(to_axes.transform(point)), ", ".join(names)) for point, names in named.items())
    taken = 0.0
    for (x, y), name in sorted(places, key=lambda place: place[0][1]):
        height = min(max(y + 1.5 * NAME_HEIGHT, taken), 0.97)
        taken = height + NAME_HEIGHT
        note = axes.annotate(
            name, (x, y), (_start(x, LETTER_WIDTH * len(name)), height), "axes fraction", "axes fraction",
            ha="left", va="center", fontsize=8, zorder=6,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "grey"},
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        )  # fmt: skip
        note.set_in_layout(False)  # it takes no room from the panel


def _start(x: float, width: float) -> float:
    """Where a name begins: right of its point, else left of it, else as far left as the panel has room."""
    if x + NAME_GAP + width <= 1:
        return x + NAME_GAP
    return x - NAME_GAP - width if x - NAME_GAP - width >= 0 else max(NAME_GAP / 2, 1 - width)


def _point(facts: Facts, ensemble: Ensemble, split: str, upwards: str) -> tuple[float, float]:
    values = ensemble.search if split == "search" else ensemble.test
    assert values is not None
    across = facts.axes[0]
    x = float(ensemble.size) if across == "n_members" else values[across]
    return x, 100 * ensemble.error(split) if upwards == "error" else values[upwards]


def _label(facts: Facts, objective: str) -> str:
    if objective == "error":
        return "error of the vote"
    if objective == "n_members":
        return "members"
    if objective not in facts.main.objectives:
        return shown_name(objective)
    unit = facts.main.units[facts.main.objectives.index(objective)]
    return f"{shown_name(objective)}, {shown_name(unit)}" if unit else shown_name(objective)
