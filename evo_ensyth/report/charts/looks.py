"""What charts have in common: colours, shapes, names and numbers that fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evo_ensyth.errors import one_line

Rows = list[dict[str, Any]]
Spec = dict[str, Any]

# Okabe and Ito's colours, told apart by people who see few, each with a shape of its own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "triangle-right")
GREY = "#808080"  # on white and on black
LONGEST_LABEL = 40
SPREAD = 12  # costs that differ more than by this factor are drawn as logarithms


def with_data(spec: Spec, data: dict[str, Rows]) -> Spec:
    """Return a specification that holds its data, such as notebooks draw."""
    schema = "https://vega.github.io/schema/vega-lite/v5.json"  # a name, which nothing fetches
    return {"$schema": schema, **spec, "datasets": data}


def series_scales(names: Sequence[str]) -> tuple[Spec, Spec]:
    """Colours and shapes of series, told apart by both: the same name has the same look in all charts."""
    n_shapes = len(SHAPES)
    looks = [(COLOURS[i % len(COLOURS)], SHAPES[(i + i // n_shapes) % n_shapes]) for i in range(len(names))]
    domain = list(names)
    return (
        {"domain": domain, "range": [colour for colour, _ in looks]},
        {"domain": domain, "range": [shape for _, shape in looks]},
    )


def cost_scale(data: dict[str, Rows]) -> Spec:
    """Scale of the costs of a front: by logarithms where they differ much."""
    costs = [row["cost"] for rows in ("points", "references") for row in data[rows]]
    if 0 < SPREAD * min(costs) < max(costs):
        return {"type": "log", "nice": False, "domain": [0.8 * min(costs), 1.3 * max(costs)]}
    return {"zero": False, "domain": with_room(costs)}


def with_room(values: Sequence[float]) -> list[float]:
    """Limits of an axis with some room on both sides."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return [rounded(low - room), rounded(high + room)]


def evenly(rows: Sequence[int], most: int) -> list[int]:
    """All rows or, of very many, so many evenly among them with both ends."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def percent(share: float) -> float:
    """Share in percent, with three digits after the point."""
    return round(100 * share, 3)


def rounded(value: float) -> float:
    """Six digits; whole numbers without a point."""
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def short_name(text: str) -> str:
    """One line of a name, short enough for a legend."""
    text = one_line(text)
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 3] + "..."
