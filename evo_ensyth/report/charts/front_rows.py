"""The rows that the chart of a front draws."""

from typing import Any

import numpy as np

from evo_ensyth.report.charts.looks import Rows, evenly, percent, rounded, short_name
from evo_ensyth.report.facts import Facts, Line
from evo_ensyth.report.front_table import shortened
from evo_ensyth.report.words import shown_value
from evo_ensyth.results.ensemble import Ensemble

LONGEST_NAMES = 80  # characters of a tooltip
MOST_NAMED = 1_000  # ensembles whose members a tooltip names
MOST_INTERVALS = 300
MOST_PARALLEL = 300  # lines of parallel coordinates


def front_data(facts: Facts) -> dict[str, Rows]:
    """Rows of `front_chart`: ensembles in the order of `ordered`, steps of the fronts, and what they are beside."""
    pairs = ordered(facts)
    points = [
        {"row": row, "front": short_name(line.label), **_point(facts, ensemble)}
        for row, (line, ensemble) in enumerate(pairs)
    ]
    if len(points) <= MOST_NAMED:
        for point, (_, ensemble) in zip(points, pairs, strict=True):
            point["members"] = shortened(ensemble.members, LONGEST_NAMES)
    references = [{"front": name, **_point(facts, ensemble)} for name, ensemble in facts.references.items()]
    data = {"points": points, "references": references, "steps": _steps(points)}
    if "test" in facts.splits:
        own = [row for row, (line, _) in enumerate(pairs) if line is facts.lines[0]]
        data["intervals"] = [_interval(points[row], pairs[row][1]) for row in evenly(own, MOST_INTERVALS)]
    estimate = facts.main.estimate
    if estimate is not None:
        low, high = (percent(end) for end in estimate.interval)
        across = _point(facts, facts.main.recommended)["cost"]
        data["estimate"] = [{"cost": across, "error": percent(estimate.error), "low": low, "high": high}]
    if facts.parent:
        data["parent"] = [{"split": split, "error": percent(error)} for split, error in facts.parent.items()]
    if len(facts.main.objectives) > 2:
        data["parallel"] = _scaled(facts, pairs)
    return data


def ordered(facts: Facts) -> list[tuple[Line, Ensemble]]:
    """All ensembles of all fronts, front by front, each from the cheapest to the dearest."""
    cost = facts.axes[0]
    return [
        (line, ensemble)
        for line in facts.lines
        for ensemble in sorted(line.front, key=lambda one: (one.all_costs[cost], one.error("search")))
    ]


def recommended_row(facts: Facts) -> int:
    """Row of the recommended ensemble among those that are `ordered`."""
    return next(row for row, (_, ensemble) in enumerate(ordered(facts)) if ensemble is facts.main.recommended)


def _scaled(facts: Facts, pairs: list[tuple[Line, Ensemble]]) -> Rows:
    """Rows of the parallel coordinates: the run's own front, or ensembles evenly along it where they are too many."""
    run = facts.main
    own = [row for row, (line, _) in enumerate(pairs) if line is facts.lines[0]]
    values = np.array([[pairs[row][1].search[goal] for goal in run.objectives] for row in own])
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    scaled = (values - low) / np.where(span > 0, span, 1)
    ends = [f"{shown_value(low[i])} to {shown_value(low[i] + span[i])}" for i in range(len(low))]
    labels = [f"{short_name(goal)}\n{end}" for goal, end in zip(run.objectives, ends, strict=True)]
    return [
        {"row": own[i], "objective": label, "scaled": round(float(scaled[i, k]), 5)}
        for i in evenly(range(len(own)), MOST_PARALLEL)
        for k, label in enumerate(labels)
    ]


def _point(facts: Facts, ensemble: Ensemble) -> dict[str, Any]:
    """What is drawn of an ensemble; errors in percent."""
    cost, leads = facts.axes
    point: dict[str, Any] = {"size": ensemble.size, "cost": rounded(ensemble.all_costs[cost])}
    point |= {split: percent(ensemble.error(split)) for split in facts.splits}
    if leads != "error":
        point["leads"] = rounded(ensemble.search[leads])
    return point


def _interval(point: dict[str, Any], ensemble: Ensemble) -> dict[str, Any]:
    """95 % interval of the error on the test split; drawn for the run's own front alone, or none could be told."""
    interval = ensemble.interval("test")
    assert interval is not None
    low, high = map(percent, interval)
    return {"front": point["front"], "cost": point["cost"], "low": low, "high": high}


def _steps(points: Rows) -> Rows:
    """In each panel, the points of a front that no other one is at least as good as in both; a line joins them."""
    rows: Rows = []
    for panel in ("leads", "search", "test"):
        least: dict[str, float] = {}
        for point in points:  # by front, and by cost
            if panel in point and point[panel] < least.get(point["front"], np.inf):
                least[point["front"]] = point[panel]
                rows.append({"panel": panel, "front": point["front"], "cost": point["cost"], "height": point[panel]})
    return rows
