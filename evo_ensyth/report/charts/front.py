"""The front on each split side by side, and all objectives below."""

from evo_ensyth.report.charts.front_rows import recommended_row
from evo_ensyth.report.charts.looks import COLOURS, GREY, Rows, Spec, cost_scale, series_scales, short_name, with_room
from evo_ensyth.report.facts import Facts

RING = "#E69F00"
ESTIMATE = "#CC79A7"


def front_chart(facts: Facts, data: dict[str, Rows], width: int = 280) -> Spec:
    """Front on each split side by side, with one brush for all panels; below them, all objectives side by side.

    It draws what `front_data` gives. The parameter ``pick`` is the row that a slider rings. ``width`` is that of a
    panel, in pixels.
    """
    leads = facts.axes[1]
    panels = [] if leads == "error" else [_panel(facts, data, "leads", short_name(leads), "what led the search")]
    titles = {"search": "search split (optimistic)", "test": "test split (unseen)"}
    panels += [_panel(facts, data, split, "error, %", titles[split]) for split in facts.splits]
    panels = [{**panel, "width": width} for panel in panels]
    views = [f"points_{panel['name']}" for panel in panels]
    spec: Spec = {
        "description": "Error of each ensemble of the front against its cost. The table has the same numbers.",
        "params": [
            {"name": "pick", "value": -1},
            {"name": "brush", "select": {"type": "interval", "encodings": ["x", "y"]}, "views": views},
        ],
        "vconcat": [{"concat": panels, "columns": len(panels), "spacing": 16}],
    }
    if "parallel" in data:
        spec["vconcat"].append(_parallel(facts))
    return spec


def cost_label(facts: Facts) -> str:
    """Name what goes across, with its unit."""
    cost = facts.axes[0]
    if cost == "n_members":
        return "members"
    unit = dict(zip(facts.main.objectives, facts.main.units, strict=True)).get(cost)
    return f"{cost}, {unit}" if unit and unit != cost else cost


def _panel(facts: Facts, data: dict[str, Rows], split: str, title: str, headline: str) -> Spec:
    """One panel: steps, intervals, points, and rings around the recommended and the picked ensemble."""
    recommended = recommended_row(facts)
    x = {"field": "cost", "type": "quantitative", "title": short_name(cost_label(facts)), "scale": cost_scale(data)}
    x["axis"] = {"format": "~s", "labelOverlap": True, "tickCount": 6}
    y = {
        "field": split,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False, "domain": _heights(data, split)},
    }
    fronts = [short_name(line.label) for line in facts.lines]
    names = [*fronts, *facts.references]
    colours, shapes = series_scales(fronts)
    colours = {"domain": names, "range": [*colours["range"], *[GREY] * len(facts.references)]}
    shapes = {"domain": names, "range": [*shapes["range"], "cross", "triangle-left"][: len(names)]}
    legend = {"orient": "top", "title": None, "columns": 2, "labelLimit": 160, "symbolFillColor": "transparent"}
    colour = {"field": "front", "type": "nominal", "scale": colours, "legend": legend}
    shape = {"field": "front", "type": "nominal", "scale": shapes, "legend": legend}
    tooltip = [
        {"field": "front", "title": "found by"},
        {"field": "members", "title": "members"},
        {"field": "size", "title": "number of members"},
        {"field": "cost", "title": "cost", "format": ",.6~g"},
        {"field": "search", "title": "error on the search split, %"},
        *([{"field": "test", "title": "error on the test split, %"}] if "test" in facts.splits else []),
    ]
    layers: list[Spec] = [
        {
            "data": {"name": "steps"},
            "transform": [{"filter": f"datum.panel == '{split}'"}],
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": {"x": x, "y": {**y, "field": "height"}, "color": colour, "order": {"field": "cost"}},
        }
    ]
    if split == "test":
        layers.append(
            {
                "data": {"name": "intervals"},
                "mark": {"type": "rule", "opacity": 0.45},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            }
        )
    if split == "search" and facts.main.estimate is not None:
        layers += _estimate(x, y)
    if split in facts.parent:
        layers.append(
            {
                "data": {"name": "parent"},
                "transform": [{"filter": f"datum.split == '{split}'"}],
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": GREY},
                "encoding": {"y": {**y, "field": "error"}},
            }
        )
    chosen = {"condition": {"param": "brush", **colour}, "value": GREY}
    faded = {"condition": {"param": "brush", "value": 1}, "value": 0.3}
    layers += [
        {
            "name": f"points_{split}",
            "data": {"name": "points"},
            "mark": {"type": "point", "filled": True, "size": 55},
            "encoding": {"x": x, "y": y, "color": chosen, "shape": shape, "opacity": faded, "tooltip": tooltip},
        },
        {
            "data": {"name": "references"},
            "mark": {"type": "point", "size": 80, "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": tooltip[:1] + tooltip[3:]},
        },
        _ring(x, y, f"datum.row == {recommended}", COLOURS[0], 260),
        _ring(x, y, "datum.row == pick", RING, 420),
    ]
    return {"name": split, "title": {"text": headline, "anchor": "start"}, "height": 260, "layer": layers}


def _estimate(x: Spec, y: Spec) -> list[Spec]:
    data = {"name": "estimate"}
    upwards = {**y, "field": "low"}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": ESTIMATE, "strokeWidth": 2},
            "encoding": {"x": x, "y": upwards, "y2": {"field": "high"}},
        },
        {
            "data": data,
            "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 90, "color": ESTIMATE},
            "encoding": {"x": x, "y": {**y, "field": "error"}},
        },
    ]


def _ring(x: Spec, y: Spec, which: str, colour: str, size: int) -> Spec:
    return {
        "data": {"name": "points"},
        "transform": [{"filter": which}],
        "mark": {
            "type": "point",
            "shape": "circle",
            "filled": False,
            "size": size,
            "strokeWidth": 2.5,
            "color": colour,
        },
        "encoding": {"x": x, "y": y},
    }


def _parallel(facts: Facts) -> Spec:
    """One axis for each objective, from its lowest value to its highest, and one line for each ensemble."""
    recommended = recommended_row(facts)
    encoding: Spec = {
        "x": {
            "field": "objective", "type": "nominal", "sort": None, "title": None,
            "axis": {"labelAngle": 0, "labelExpr": "split(datum.label, '\\n')", "labelLimit": 160, "grid": True},
        },
        "y": {
            "field": "scaled", "type": "quantitative", "title": "lower is better", "axis": {"labels": False},
            "scale": {"domain": [0, 1]},
        },
        "detail": {"field": "row"},
    }  # fmt: skip
    brushed = {"lookup": "row", "from": {"data": {"name": "points"}, "key": "row", "fields": ["cost", *_panels(facts)]}}
    return {
        "name": "parallel",
        "title": {"text": "all objectives on the search split", "anchor": "start"},
        "height": 220,
        "data": {"name": "parallel"},
        "layer": [
            {
                "transform": [brushed],
                "mark": {"type": "line", "strokeWidth": 1.2},
                "encoding": {
                    **encoding,
                    "color": {"condition": {"param": "brush", "value": COLOURS[0]}, "value": GREY},
                    "opacity": {"condition": {"param": "brush", "value": 0.8}, "value": 0.2},
                },
            },
            {
                "transform": [{"filter": f"datum.row == {recommended}"}],
                "mark": {"type": "line", "strokeWidth": 3, "color": COLOURS[1], "point": True},
                "encoding": encoding,
            },
            {
                "transform": [{"filter": "datum.row == pick"}],
                "mark": {"type": "line", "strokeWidth": 3, "color": RING, "strokeDash": [6, 3]},
                "encoding": encoding,
            },
        ],
    }


def _panels(facts: Facts) -> list[str]:
    return [*(["leads"] if facts.axes[1] != "error" else []), *facts.splits]


def _heights(data: dict[str, Rows], panel: str) -> list[float]:
    """Limits upwards with some room on both sides; those of errors are the same on both splits."""
    fields = ("leads",) if panel == "leads" else ("search", "test", "error", "low", "high")
    drawn = ("points", "references", "intervals", "estimate", "parent")
    return with_room([row[name] for rows in drawn for row in data.get(rows, ()) for name in fields if name in row])
