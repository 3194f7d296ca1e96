"""What a notebook shows of a run, a front or a pool: a chart, a table, and plain text, by media type."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evo_ensyth.report.charts.front import front_chart
from evo_ensyth.report.charts.front_rows import front_data
from evo_ensyth.report.charts.looks import Rows, Spec, evenly, percent, rounded, short_name, with_data, with_room
from evo_ensyth.report.facts import gather
from evo_ensyth.report.front_table import shortened
from evo_ensyth.report.html import run_as_html, short_table
from evo_ensyth.report.words import exact_value
from evo_ensyth.results.front import Front
from evo_ensyth.results.run import Run

VEGA_LITE = "application/vnd.vegalite.v5+json"  # the newest that JupyterLab 4.6 draws
MOST_POINTS = 1_000
MOST_ROWS = 20
PANEL = 215  # pixels across: three of them fit into a notebook
LONGEST_NAMES = 60

Bundle = dict[str, Any]


def display(bundle: Bundle) -> None:
    """Show the chart, then the table: of one output JupyterLab would draw the table only."""
    from IPython.display import publish_display_data

    text = {"text/plain": bundle["text/plain"]}
    if VEGA_LITE in bundle:
        publish_display_data({VEGA_LITE: bundle[VEGA_LITE], **text})
        text = {}
    publish_display_data({"text/html": bundle["text/html"], **text})


def run_bundle(run: Run) -> Bundle:
    """Return the front on both splits, the verdict with a short table, and the text of ``repr``."""
    facts = gather([run])
    data = front_data(facts)
    bundle: Bundle = {"text/html": run_as_html(run), "text/plain": repr(run)}
    if len(data["points"]) <= MOST_POINTS:
        bundle[VEGA_LITE] = with_data(front_chart(facts, data, PANEL), data)
    return bundle


def front_bundle(front: Front) -> Bundle:
    """Return errors of the ensembles against their sizes, a short table, and the text of ``repr``."""
    shown = [front[i] for i in evenly(range(len(front)), MOST_POINTS)]
    splits = [split for split in ("search", "test") if shown and shown[0].interval(split)]
    points = [
        {
            "split": split,
            "size": one.size,
            "error": percent(one.error(split)),
            "members": shortened(one.members, LONGEST_NAMES),
        }
        for one in shown
        for split in splits
    ]
    few = [front[i] for i in evenly(range(len(front)), MOST_ROWS)]
    rows = [[str(one.size), *(f"{100 * one.error(s):.2f}" for s in splits), ", ".join(one.members)] for one in few]
    table = short_table(repr(front), ["members", *(f"{split} error %" for split in splits), "names"], rows)
    spec = _points("size", "members", points, colour="split", tooltip=("members", "size", "split", "error"))
    return {VEGA_LITE: spec, "text/html": table, "text/plain": repr(front)}


def pool_bundle(names: Sequence[str], errors: Mapping[str, np.ndarray], costs: Mapping[str, np.ndarray]) -> Bundle:
    """Return errors of members against the first cost, and a short table from the best member on.

    Parameters
    ----------
    names : sequence of str
    errors : mapping of split to float64, (n_members,)
    costs : mapping of str to (n_members,)
    """
    order = np.argsort(errors["search"], kind="stable").tolist()
    cost = next(iter(costs), None)
    points = [
        {
            "member": short_name(names[i]),
            "split": split,
            "cost": rounded(float(costs[cost][i])) if cost else place + 1,
            "error": percent(float(values[i])),
        }
        for place, i in enumerate(order[:MOST_POINTS])
        for split, values in errors.items()
    ]
    rows = [
        [names[i], *(f"{100 * values[i]:.2f}" for values in errors.values())]
        + [exact_value(float(values[i])) for values in costs.values()]
        for i in order[:MOST_ROWS]
    ]
    headings = ["member", *(f"{split} error %" for split in errors), *costs]
    few = f"; the best {MOST_ROWS}" if len(order) > MOST_ROWS else ""
    table = short_table(f"{len(order)} members{few}", headings, rows)
    title = short_name(cost) if cost else "members, from the best on"
    spec = _points("cost", title, points, colour="split", tooltip=("member", "cost", "split", "error"))
    return {VEGA_LITE: spec, "text/html": table}


def _points(across: str, title: str, points: Rows, *, colour: str, tooltip: Sequence[str]) -> Spec:
    heights = [point["error"] for point in points]
    spec: Spec = {
        "data": {"name": "points"},
        "mark": {"type": "point", "filled": True, "size": 45},
        "width": 380,
        "height": 240,
        "encoding": {
            "x": {"field": across, "type": "quantitative", "title": title, "axis": {"format": "~s"}},
            "y": {"field": "error", "type": "quantitative", "title": "error, %"},
            "color": {"field": colour, "type": "nominal", "scale": {"range": ["#0072B2", "#D55E00"]}},
            "shape": {"field": colour, "type": "nominal"},
            "tooltip": [{"field": field} for field in tooltip],
        },
    }
    spec["encoding"]["y"]["scale"] = {"zero": False, "domain": with_room(heights)}
    return with_data(spec, {"points": points})
