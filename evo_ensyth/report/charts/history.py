"""How the hypervolume of each front grew."""

from evo_ensyth.report.charts.looks import COLOURS, Rows, Spec, short_name
from evo_ensyth.report.facts import Facts


def history_chart() -> Spec:
    """Hypervolume against evaluations, of `history_data`."""
    return {
        "description": "Hypervolume of each selector's front against the ensembles judged.",
        "data": {"name": "history"},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "height": 180,
        "encoding": {
            "x": {
                "field": "evaluations", "type": "quantitative", "title": "ensembles judged",
                "axis": {"format": "~s", "tickCount": 6},
            },
            "y": {
                "field": "hypervolume", "type": "quantitative", "title": "hypervolume",
                "scale": {"zero": False}, "axis": {"format": "~g"},
            },
            "color": {
                "field": "front", "type": "nominal", "sort": None, "title": None, "scale": {"range": list(COLOURS)},
                "legend": {"orient": "top"},
            },
            "strokeDash": {"field": "front", "type": "nominal", "sort": None, "title": None},
        },
    }  # fmt: skip


def history_data(facts: Facts) -> Rows:
    """Milestones of each front, the last one once more where the search ended."""
    rows = []
    for line in facts.lines:
        ends = [(one.evaluations, one.hypervolume) for one in line.front.history]
        ends += [(line.front.n_evaluations, line.front.hypervolume)]
        label = short_name(line.label)
        rows += [{"front": label, "evaluations": count, "hypervolume": volume} for count, volume in ends]
    return rows
