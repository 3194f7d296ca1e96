"""The pictures of a pool: who disagrees with whom, and what each method offers at what cost."""

from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from evo_ensyth.report.drawing import COLOURS, LEGEND_WIDTH, STYLE, axes_or_new, figure_files, shown_name
from evo_ensyth.report.pool_facts import PoolFacts

MARKERS = "osD"
LABEL_HEIGHT = 0.032  # of the picture of disagreement
LEADER_POINTS = 12
# Largest cost over the smallest: beyond it, only powers of ten are labelled, for there is no room for more.
LABELLED = 100
# Colour, marker and line of a method, told apart up to 18 of them.
LOOKS = [(colour, MARKERS[i], line) for i, line in enumerate(("-", "--", ":")) for colour in COLOURS]


def render(facts: PoolFacts) -> dict[str, bytes]:
    """Return ``disagreement`` and ``curves``, each as ``.png`` and ``.svg``."""
    with mpl.rc_context(STYLE):
        disagreement = _figure(7.5, 6.2)
        draw_disagreement(facts, disagreement.subplots())
        curves = _figure(6.2 + LEGEND_WIDTH, 4.6)
        axes = draw_curves(facts, curves.subplots())
        curves.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
        return figure_files(disagreement, "disagreement") | figure_files(curves, "curves")


def draw_disagreement(facts: PoolFacts, ax: Axes | None = None) -> Axes:
    """Draw the share of samples on which each two members disagree, method by method, and return the axes."""
    axes = axes_or_new(ax, 7.5, 6.2)
    order = facts.by_method
    shares = 100 * facts.disagreement[np.ix_(order, order)]
    # By square roots, so that a few bad members, which disagree with everybody, do not leave the others in the dark.
    image = axes.imshow(shares, cmap="viridis", norm=PowerNorm(0.5, vmin=0), interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, shrink=0.75, label="samples with different answers, %")
    sizes = [len(facts.of_method(method)) for method in facts.curves]
    ends = np.cumsum(sizes)
    for end in ends[:-1]:
        for line in (axes.axhline, axes.axvline):
            line(end - 0.5, color="white", linewidth=0.8)
    middles = ends - np.array(sizes) / 2 - 0.5
    places = spread(middles, LABEL_HEIGHT * len(order), len(order) - 1.0)
    axes.set_yticks(places, [shown_name(method) for method in facts.curves])
    axes.set_xticks([])
    axes.tick_params(length=0, pad=LEADER_POINTS)
    # From each label to the middle of its rows, beside the picture: in points outside, in rows along it.
    outside = axes.get_yaxis_transform() + ScaledTranslation(-LEADER_POINTS / 72, 0, axes.figure.dpi_scale_trans)
    for middle, place in zip(middles, places, strict=True):
        axes.annotate(
            "",
            (0, middle),
            (0, place),
            xycoords=axes.get_yaxis_transform(),
            textcoords=outside,
            arrowprops={"arrowstyle": "-", "color": "grey", "linewidth": 0.6, "shrinkA": 2, "shrinkB": 1},
            annotation_clip=False,
        )
    axes.grid(visible=False)
    axes.set_xlabel("the same members; samples of the search split")
    axes.set_title(f"{shown_name(facts.problem)}: who disagrees with whom", loc="left", fontsize=10)
    return axes


def spread(middles: np.ndarray, gap: float, last: float) -> np.ndarray:
    """Move rising places, float64 (n,), apart by at least ``gap``, or as far as there is room.

    They lie between 0 and ``last``, and stay there.
    """
    gap = min(gap, last / max(1, len(middles) - 1))
    steps = gap * np.arange(len(middles))
    pushed = np.maximum.accumulate(middles - steps) + steps
    limits = last - steps[::-1]
    return np.asarray(np.minimum(pushed, limits))


def draw_curves(facts: PoolFacts, ax: Axes | None = None) -> Axes:
    """Draw error against cost, and return the axes: members, and a line through what each method offers at its best."""
    axes = axes_or_new(ax)
    costs, errors = facts.costs[facts.cost], 100 * facts.errors["search"]
    for (method, curve), look in zip(facts.curves.items(), cycle(LOOKS), strict=False):
        colour, marker, line = look
        members = facts.of_method(method)
        axes.plot(costs[members], errors[members], marker, color=colour, markersize=4, alpha=0.35)
        best = list(curve)
        label = shown_name(method)
        axes.plot(costs[best], errors[best], f"{marker}{line}", color=colour, markersize=4, label=label)
    if facts.cost in facts.parent and "search" in facts.parent:
        parent = facts.parent[facts.cost], 100 * facts.parent["search"]
        axes.plot(*parent, "*", color="black", markersize=10, markerfacecolor="none", label="parent")
    if (costs > 0).all():
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.xaxis.set_major_formatter("{x:,.10g}")
        few = costs.max() < LABELLED * costs.min()
        axes.xaxis.set_minor_formatter("{x:,.10g}" if few else NullFormatter())
    axes.set_xlabel(shown_name(facts.cost))
    axes.set_ylabel("error of a member on the search split, %")
    axes.set_title(f"{shown_name(facts.problem)}: what each method offers", loc="left", fontsize=10)
    return axes


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
