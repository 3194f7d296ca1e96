"""Who disagrees with whom: a map of shares."""

from collections.abc import Sequence

import numpy as np

from evo_ensyth.report.charts.looks import Rows, Spec, short_name


def disagreement_chart(names: Sequence[str]) -> Spec:
    """Share of samples that two members answer differently, of `disagreement_data`."""
    cell = {"type": "ordinal", "sort": None}
    return {
        "description": "Share of the samples of the search split that each two members answer differently.",
        "params": [{"name": "names", "value": [short_name(name) for name in names]}],
        "usermeta": {"beside": 230},
        "data": {"name": "disagreement"},
        "transform": [
            {"calculate": "names[datum.one]", "as": "first"},
            {"calculate": "names[datum.other]", "as": "second"},
        ],
        "mark": "rect",
        "height": int(np.clip(14 * len(names), 60, 560)),
        "encoding": {
            "x": {"field": "other", **cell, "title": "the same members", "axis": {"labels": False, "ticks": False}},
            "y": {
                "field": "one", **cell, "title": None,
                "axis": {"labelExpr": "names[datum.value]", "labelLimit": 130, "labelOverlap": True, "ticks": False},
            },
            "color": {
                "field": "share", "type": "quantitative", "title": "%",
                "scale": {"type": "sqrt", "scheme": "viridis"},
            },
            "tooltip": [
                {"field": "first", "title": "member"},
                {"field": "second", "title": "beside"},
                {"field": "share", "title": "different answers, %"},
            ],
        },
    }  # fmt: skip


def disagreement_data(shares: np.ndarray) -> Rows:
    """Rows of `disagreement_chart`, of shares from 0 to 1, float64 (n, n)."""
    return [
        {"one": i, "other": j, "share": round(100 * share, 2)}
        for i, row in enumerate(shares.tolist())
        for j, share in enumerate(row)
    ]
