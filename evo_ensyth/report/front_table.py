"""The front as a table of few rows and narrow columns, for screens and notebooks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth.errors import one_line
from evo_ensyth.report.facts import first_cost, leading
from evo_ensyth.report.words import short_p_value, shown_value
from evo_ensyth.results.comparison import Comparison
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run

FEW_ROWS = 10  # with the two references
# What an ensemble is compared with here; the parent has no column, for it is not simpler.
DIFFERENCES = {"best_k": "best k", "single_best": "best", "whole_pool": "pool"}


@dataclass(frozen=True)
class FrontTable:
    """Cells of a table, as text.

    Attributes
    ----------
    header : tuple of str
        The first column holds marks; that of the members, the last one, is not among them.
    rows : tuple of tuple of str
        Ensembles of the front, by the first cost asked for; then the best single member and the whole pool.
    members : tuple of tuple of str
        Names of the members of each row, or what they are called together.
    n_left : int
        Ensembles that are not shown.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    members: tuple[tuple[str, ...], ...]
    n_left: int


def front_table(run: Run, *, everything: bool = False, compared: bool = True) -> FrontTable:
    """Lay out the front of a run.

    Parameters
    ----------
    run : Run
    everything : bool
        Every ensemble; otherwise few of them, from the cheapest to the dearest, with the recommended one.
    compared : bool
        Whether there are columns for the differences of errors from simpler choices, where there is a test split and
        no metric led the search.
    """
    goals = [*run.objectives, *(name for name in ("n_members", "error") if name not in run.objectives)]
    goals.append(goals.pop(goals.index("error")))  # beside the error on the test split
    found = {name for ensemble in run.front for name in ensemble.comparisons}
    metric = run.leading_metric.name if run.leading_metric and run.n_test else None
    against = [name for name in DIFFERENCES if compared and run.n_test and name in found and not metric]
    header = ["search error %" if goal == "error" else one_line(goal) for goal in goals] + ["test error % (95 %)"]
    header += [f"test {one_line(metric)}"] if metric else []
    header += [f"minus {DIFFERENCES[name]}, p" for name in against]
    shown = _in_order(run) if everything else _few(run, FEW_ROWS - 2)
    rows = [(_marks(run, i), *_cells(run.front[i], goals, metric, against)) for i in shown]
    references = (run.single_best, run.whole_pool)
    rows += [("", *_cells(ensemble, goals, metric, []), *([""] * len(against))) for ensemble in references]
    members = [*(run.front[i].members for i in shown), ("(best single member)",), ("(whole pool)",)]
    return FrontTable(("", *header), tuple(rows), tuple(members), len(run.front) - len(shown))


def shortened(names: Sequence[str], width: int) -> str:
    """As many names as fit into a width, and how many are left: ``ant, bee, +3``."""
    names = [one_line(name) for name in names]
    for n_shown in range(len(names), 0, -1):
        left = f", +{len(names) - n_shown}" if n_shown < len(names) else ""
        text = ", ".join(names[:n_shown]) + left
        if len(text) <= width:
            return text
    return f"{names[0][: max(width - len(left) - 3, 1)]}...{left}"


def _in_order(run: Run) -> list[int]:
    """Indices of the front from the cheapest ensemble to the dearest, by the first cost that was asked for."""
    cost, goal = first_cost(run), leading(run)
    values = [ensemble.all_costs for ensemble in run.front]
    return sorted(range(len(run.front)), key=lambda i: (values[i][cost], values[i].get(goal, 0.0)))


def _few(run: Run, n_rows: int) -> list[int]:
    """Both ends of the front, the recommended ensemble, and others evenly between them."""
    order = _in_order(run)
    if len(order) <= n_rows:
        return order
    places = np.linspace(0, len(order) - 1, n_rows).round().astype(int)
    recommended = order.index(run.recommended_index)
    if recommended not in places:  # then it is at neither end
        places[1 + np.abs(places[1:-1] - recommended).argmin()] = recommended
    return [order[place] for place in places]


def _marks(run: Run, i: int) -> str:
    return ("=" if run.front[i].size in run.front.proven_sizes else "") + ("*" if i == run.recommended_index else "")


def _cells(ensemble: Ensemble, goals: list[str], metric: str | None, against: list[str]) -> list[str]:
    values = {"n_members": float(ensemble.size), **ensemble.search}
    cells = [
        f"{100 * ensemble.error('search'):.2f}" if goal == "error" else shown_value(values[goal]) for goal in goals
    ]
    interval = ensemble.interval("test")
    test = "-"
    if interval is not None:
        test = f"{100 * ensemble.error('test'):.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"
    by_metric = [shown_value((ensemble.test or {})[metric])] if metric else []
    return [*cells, test, *by_metric, *(_difference(ensemble.comparisons.get(name)) for name in against)]


def _difference(comparison: Comparison | None) -> str:
    if comparison is None or comparison.on_test is None:
        return "the same"
    return f"{100 * comparison.on_test:+.2f}, {short_p_value(comparison.corrected)}"
