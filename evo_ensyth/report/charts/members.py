"""The members of a pool: error against cost on each split, by method."""

import numpy as np

from evo_ensyth.report.charts.looks import (
    GREY,
    Rows,
    Spec,
    cost_scale,
    percent,
    rounded,
    series_scales,
    short_name,
    with_room,
)
from evo_ensyth.report.pool_facts import PoolFacts

MOST_LISTED = 12  # methods in the legend


def members_chart(facts: PoolFacts, data: dict[str, Rows]) -> Spec:
    """Draw what `members_data` gives, with one brush for both splits."""
    splits = list(facts.errors)
    return {
        "description": "Error of each member against its cost, by method. The table has the same numbers.",
        "params": [
            {
                "name": "brush",
                "select": {"type": "interval", "encodings": ["x", "y"]},
                "views": [f"points_{split}" for split in splits],
            }
        ],
        "vconcat": [{"concat": [_panel(facts, data, split) for split in splits], "columns": len(splits)}],
    }


def members_data(facts: PoolFacts) -> dict[str, Rows]:
    """Rows of `members_chart`, method by method: members, steps of what each method offers, and the parent."""
    costs = facts.costs[facts.cost]
    points: Rows = []
    for row, i in enumerate(facts.by_method.tolist()):
        errors = {split: percent(float(values[i])) for split, values in facts.errors.items()}
        about = {"name": short_name(facts.names[i]), "method": short_name(facts.methods[i])}
        points.append({"row": row, **about, "cost": rounded(float(costs[i])), **errors})
    steps = [
        {"method": short_name(method), "cost": rounded(float(costs[i])), "search": percent(float(error))}
        for method, curve in facts.curves.items()
        for i, error in zip(curve, facts.errors["search"][list(curve)], strict=True)
    ]
    parent = []
    if facts.cost in facts.parent and "search" in facts.parent:
        known = {split: percent(facts.parent[split]) for split in facts.errors if split in facts.parent}
        parent = [{"cost": rounded(facts.parent[facts.cost]), **known}]
    return {"points": points, "steps": steps, "references": parent}


def _panel(facts: PoolFacts, data: dict[str, Rows], split: str) -> Spec:
    x: Spec = {"field": "cost", "type": "quantitative", "title": short_name(facts.cost), "scale": cost_scale(data)}
    x["axis"] = {"format": "~s", "labelOverlap": True, "tickCount": 6}
    heights = [row[one] for rows in data.values() for row in rows for one in facts.errors if one in row]
    y: Spec = {"field": split, "type": "quantitative", "title": "error, %"}
    y["scale"] = {"zero": False, "domain": with_room(np.array(heights).tolist())}
    methods = list(dict.fromkeys(short_name(method) for method in facts.curves))
    colours, shapes = series_scales(methods)
    listed = 1 < len(methods) <= MOST_LISTED
    legend = {"orient": "top", "title": None, "columns": 3, "labelLimit": 150} if listed else None
    colour = {"field": "method", "type": "nominal", "scale": colours, "legend": legend}
    shape = {"field": "method", "type": "nominal", "scale": shapes, "legend": legend}
    tooltip = [{"field": field, "title": title} for field, title in (("name", "member"), ("method", "made by"))]
    tooltip += [{"field": "cost", "title": "cost", "format": ",.6~g"}]
    tooltip += [{"field": one, "title": f"error on the {one} split, %"} for one in facts.errors]
    layers: list[Spec] = [
        {
            "name": f"points_{split}",
            "data": {"name": "points"},
            "mark": {"type": "point", "filled": True, "size": 45},
            "encoding": {
                "x": x,
                "y": y,
                "color": {"condition": {"param": "brush", **colour}, "value": GREY},
                "shape": shape,
                "opacity": {"condition": {"param": "brush", "value": 0.9}, "value": 0.3},
                "tooltip": tooltip,
            },
        }
    ]
    if split == "search":
        layers.insert(
            0,
            {
                "data": {"name": "steps"},
                "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.6},
                "encoding": {"x": x, "y": y, "color": colour, "order": {"field": "cost"}},
            },
        )
    if data["references"] and split in data["references"][0]:
        layers.append(
            {
                "data": {"name": "references"},
                "mark": {"type": "point", "shape": "cross", "size": 110, "strokeWidth": 2, "color": GREY},
                "encoding": {"x": x, "y": y},
            }
        )
    return {
        "name": split,
        "title": {"text": f"{split} split", "anchor": "start"},
        "width": 280,
        "height": 280,
        "layer": layers,
    }
