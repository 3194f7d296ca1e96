"""Compare methods on the same draws: paired differences with intervals, tables, a plot.

Two methods are compared draw by draw, so that the spread of the draws, which is larger than most differences, cancels.

*One pool*: a t interval of the mean difference over the draws. Draws from one pool overlap, so the interval is about
other draws from this pool, not about other data.

*These pools*: every pool has the same weight, however many samples it has. The interval comes from the spread of the
draws within the pools, and is about the mean over these pools.

*Any pools*: the t interval of the pools' mean differences, with one degree of freedom less than there are pools. The
spread between pools contains the noise of the draws and the differences between pools, so the interval is about the
mean over all pools of which these are a sample. A hierarchical bootstrap would ask the same question, but its intervals
are too narrow for a handful of pools. The t interval is strict: one pool with a large gain widens it.

A *win* is a pool whose interval lies below zero, a *loss* one whose interval lies above; everything else is a *draw*.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from output import Sheet
from scipy.special import stdtrit

Record = Mapping[str, Any]  # as `unseen.played` returns
LEVEL = 0.95
RULES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)  # standard errors
MEASURES = {"mean": "mean test error over sizes 1 to 20", "recommended": "test error of the recommended ensemble"}


@dataclass(frozen=True)
class Cell:
    """All draws of one pool with search parts of one size.

    Attributes
    ----------
    pool : str
    n_members, n_search, n_test : int
    records : mapping of method to its records
        Draw by draw, in the same order for all methods.
    """

    pool: str
    n_members: int
    n_search: int
    n_test: int
    records: Mapping[str, Sequence[Record]]

    def errors(self, method: str, what: str) -> np.ndarray:
        """Errors in %, one number or one curve for each draw.

        Parameters
        ----------
        method : str
        what : str
            ``mean``: over sizes 1 to 20, of the ensembles of exactly that size; ``mean_on_search``: the same on the
            search part; ``mean_up_to``: of the best ensembles up to that size; ``recommended``; or ``exactly`` or
            ``up_to``, which are curves.

        Returns
        -------
        float64, (n_draws,) or (n_draws, n_sizes)
        """
        key = {"mean": "exactly", "mean_on_search": "exactly_on_search", "mean_up_to": "up_to"}.get(what, what)
        key = "recommended_errors" if key == "recommended" else key
        values = np.array([record[key] for record in self.records[method]], np.float64)
        values = values.mean(axis=1) if what.startswith("mean") else values
        return values / (self.n_search if what.endswith("on_search") else self.n_test) * 100

    def number(self, method: str, what: str) -> float:
        """Mean over the draws of a number in the records."""
        return float(np.mean([record[what] for record in self.records[method]]))

    def size(self, method: str) -> float:
        """Mean number of members of the recommended ensemble."""
        return float(np.mean([len(record["recommended"]) for record in self.records[method]]))


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences, in points of error, with its 95 % interval; NaN for a single number."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, differences: np.ndarray) -> "Difference":
        """Mean and t interval of some differences, (n,)."""
        n = len(differences)
        if n < 2:
            return cls(float(differences[0]), float("nan"), float("nan"))
        half = float(stdtrit(n - 1, (1 + LEVEL) / 2) * differences.std(ddof=1) / np.sqrt(n))
        mean = float(differences.mean())
        return cls(mean, mean - half, mean + half)

    @classmethod
    def of_means(cls, groups: Sequence[np.ndarray]) -> "Difference":
        """Mean of the groups' means, with Welch and Satterthwaite's t interval from the spread within the groups."""
        mean = float(np.mean([values.mean() for values in groups]))
        if min(map(len, groups)) < 2:
            return cls(mean, float("nan"), float("nan"))
        parts = np.array([values.var(ddof=1) / len(values) for values in groups])
        if not parts.any():
            return cls(mean, mean, mean)
        freedom = parts.sum() ** 2 / (parts**2 / [len(values) - 1 for values in groups]).sum()
        half = float(stdtrit(freedom, (1 + LEVEL) / 2) * np.sqrt(parts.sum()) / len(groups))
        return cls(mean, mean - half, mean + half)

    @property
    def verdict(self) -> str:
        """``win``, ``loss``, or ``draw``."""
        return "win" if self.high < 0 else "loss" if self.low > 0 else "draw"

    @property
    def text(self) -> str:
        """The mean, and half the width of the interval."""
        half = (self.high - self.low) / 2
        return f"{self.mean:+.2f}" + (f" ± {half:.2f}" if np.isfinite(half) else "")


@dataclass(frozen=True)
class Comparison:
    """One method compared with one baseline, by one measure, over some cells.

    Attributes
    ----------
    overall : Difference
        Over any pools; of one pool, over its draws.
    here : Difference
        Over these pools.
    cells : tuple of Difference
    """

    method: str
    baseline: str
    measure: str
    overall: Difference
    here: Difference
    cells: tuple[Difference, ...]

    @classmethod
    def of(cls, cells: Sequence[Cell], method: str, baseline: str, measure: str) -> "Comparison":
        """Compare draw by draw, then pool by pool. A pool with several sizes of search parts is averaged over them."""
        differences = [cell.errors(method, measure) - cell.errors(baseline, measure) for cell in cells]
        by_pool: dict[str, list[np.ndarray]] = {}
        for cell, values in zip(cells, differences, strict=True):
            by_pool.setdefault(cell.pool, []).append(values)
        draws = [np.mean(values, axis=0) for values in by_pool.values()]
        overall = Difference.of(draws[0] if len(draws) == 1 else np.array([values.mean() for values in draws]))
        return cls(
            method, baseline, measure, overall, Difference.of_means(draws), tuple(map(Difference.of, differences))
        )

    @property
    def spread(self) -> str:
        """Half the width of the interval over any pools."""
        return f"± {(self.overall.high - self.overall.low) / 2:.2f}"

    @property
    def tally(self) -> str:
        """Wins, draws and losses in words."""
        return "/".join(map(str, self.score))

    @property
    def score(self) -> tuple[int, int, int]:
        """Wins, draws and losses."""
        verdicts = [cell.verdict for cell in self.cells]
        return verdicts.count("win"), verdicts.count("draw"), verdicts.count("loss")


def written(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    """A table whose cells are written already."""
    return Sheet(title, dict.fromkeys(columns, ""), rows)


def cell_sheet(cell: Cell, baseline: str) -> Sheet:
    """Every method in one cell, the best mean test error first."""
    rows = []
    for method in sorted(cell.records, key=lambda name: cell.errors(name, "mean").mean()):
        against = Comparison.of([cell], method, baseline, "mean").overall
        row = [f"{cell.errors(method, what).mean():.2f}" for what in ("mean", "mean_up_to", "mean_on_search")]
        row.append("" if method == baseline else against.text)
        row += [f"{cell.errors(method, 'recommended').mean():.2f}", f"{cell.size(method):.1f}"]
        rows.append((method, *row, f"{cell.number(method, 'seconds'):.3f}"))
    draws = len(next(iter(cell.records.values())))
    return written(
        f"{cell.pool}: {cell.n_members} members, {cell.n_search:,} search and {cell.n_test:,} test samples, "
        f"{draws} draws; errors in %",
        ("method", "size k", "up to k", "on search", f"minus {baseline}", "recommended", "its size", "seconds"),
        tuple(rows),
    )


def summary_sheet(cells: Sequence[Cell], to_beat: Sequence[str]) -> Sheet:
    """Every method over all cells, pools weighing the same, the best mean test error first; see `_excess`."""
    rows = []
    means = {}
    for method in cells[0].records:
        values = {what: _over_pools(cells, [cell.errors(method, what).mean() for cell in cells]) for what in MEASURES}
        means[method] = values["mean"]
        up_to = _over_pools(cells, [cell.errors(method, "mean_up_to").mean() for cell in cells])
        size = _over_pools(cells, [cell.size(method) for cell in cells])
        seconds = _over_pools(cells, [cell.number(method, "seconds") for cell in cells])
        excess = [_excess(cell, method, to_beat) for cell in cells]
        worst = int(np.argmax(excess))
        rows.append(
            (
                method,
                f"{values['mean']:.2f}",
                f"{up_to:.2f}",
                f"{excess[worst]:+.2f} ({cells[worst].pool}, {cells[worst].n_search:,})",
                f"{values['recommended']:.2f}",
                f"{size:.1f}",
                f"{seconds:.3f}",
            )
        )
    return written(
        f"{_scope(cells)}: test errors in %",
        ("method", "size k", "up to k", f"most above the best of {len(to_beat)}", "recommended", "its size", "seconds"),
        tuple(sorted(rows, key=lambda row: means[row[0]])),
    )


def versus_sheet(cells: Sequence[Cell], baselines: Sequence[str], measure: str) -> Sheet:
    """Every method minus every baseline: points with half the interval; wins, draws and losses."""
    rows = []
    for method in sorted(cells[0].records, key=lambda name: np.mean([c.errors(name, measure).mean() for c in cells])):
        compared = [Comparison.of(cells, method, baseline, measure) for baseline in baselines]
        texts = ("" if c.method == c.baseline else f"{c.here.text} ({c.spread})\n{c.tally}" for c in compared)
        rows.append((method, *texts))
    return written(
        f"{_scope(cells)}: {MEASURES[measure]}, minus that of a baseline, in points, ± for these pools "
        "(± for any pools); wins/draws/losses",
        ("method", *baselines),
        tuple(rows),
    )


def grid_sheet(cells: Sequence[Cell], measure: str) -> Sheet:
    """Test errors of every method in every cell; for recommended ensembles, their sizes as well."""
    methods = list(cells[0].records)
    errors = {method: [cell.errors(method, measure).mean() for cell in cells] for method in methods}
    sizes = {method: [cell.size(method) for cell in cells] for method in methods}

    def text(error: float, size: float) -> str:
        return f"{error:.2f}" + (f" ({size:.1f})" if measure == "recommended" else "")

    rows = [
        (f"{cell.pool}, {cell.n_search:,}", *(text(errors[method][i], sizes[method][i]) for method in methods))
        for i, cell in enumerate(cells)
    ]
    means = (text(_over_pools(cells, errors[method]), _over_pools(cells, sizes[method])) for method in methods)
    note = " (members)" if measure == "recommended" else ""
    title = f"{_scope(cells)}: {MEASURES[measure]} in %{note}"
    return written(title, ("pool, search samples", *methods), (*rows, ("mean over the pools", *means)))


def rule_sheet(cells: Sequence[Cell], method: str, baselines: Sequence[str]) -> Sheet:
    """Results of recommending smaller ensembles, compared with what the baselines recommend.

    Among the ensembles of sizes up to 20 that a method offers, a rule takes the smallest whose error on the search part
    is at most this many standard errors above the lowest.
    """
    rows = []
    for factor in RULES:
        taken = [[_smallest_within(record, cell.n_search, factor) for record in cell.records[method]] for cell in cells]
        errors = [
            float(np.mean([record["exactly"][k] for record, k in zip(cell.records[method], sizes, strict=True)]))
            / cell.n_test
            * 100
            for cell, sizes in zip(cells, taken, strict=True)
        ]
        n_members = [float(np.mean(sizes)) + 1 for sizes in taken]
        name = f"{method}, within {factor:g} standard errors" if factor else f"{method}, the lowest"
        rows.append((name, f"{_over_pools(cells, errors):.2f}", f"{_over_pools(cells, n_members):.1f}"))
    for baseline in baselines:
        errors = [cell.errors(baseline, "recommended").mean() for cell in cells]
        n_members = [cell.size(baseline) for cell in cells]
        rows.append((baseline, f"{_over_pools(cells, errors):.2f}", f"{_over_pools(cells, n_members):.1f}"))
    return written(f"{_scope(cells)}: rules of recommending", ("rule", "test error in %", "members"), tuple(rows))


def picture(cells: Sequence[Cell]) -> bytes:
    """Plot the test error against the exact size for each method, one panel per cell, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # not at the top: every process imports this module
    from matplotlib.figure import Figure

    columns = min(4, len(cells))
    lines = -(-len(cells) // columns)
    figure = Figure(figsize=(3.4 * columns + 2.2, 2.8 * lines + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(cells) :]:
        axes.set_axis_off()
    for axes, cell in zip(panels, cells, strict=False):
        curves = {method: cell.errors(method, "exactly").mean(axis=0) for method in cell.records}
        for i, (method, curve) in enumerate(curves.items()):
            style = ("-", "--", ":")[i // 10 % 3]
            axes.plot(np.arange(1, len(curve) + 1), curve, style, color=f"C{i % 10}", linewidth=1.3, label=method)
        axes.set_title(f"{cell.pool}, {cell.n_search:,} search samples", fontsize=9)
        axes.set_xticks(range(0, len(curve) + 1, 5))
        axes.tick_params(labelsize=8)
        axes.set_xlabel("members", fontsize=8)
        axes.set_ylabel("test error, %", fontsize=8)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140)
    return file.getvalue()


def _over_pools(cells: Sequence[Cell], values: Sequence[float]) -> float:
    """Mean over the pools of each pool's mean over its cells."""
    by_pool: dict[str, list[float]] = {}
    for cell, value in zip(cells, values, strict=True):
        by_pool.setdefault(cell.pool, []).append(value)
    return float(np.mean([np.mean(pool) for pool in by_pool.values()]))


def _smallest_within(record: Record, n_search: int, factor: float) -> int:
    """Index of the smallest size whose error on the search part is close to the lowest."""
    errors = np.array(record["exactly_on_search"]) / n_search
    lowest = errors.min()
    return int(np.flatnonzero(errors <= lowest + factor * np.sqrt(lowest * (1 - lowest) / n_search))[0])


def _excess(cell: Cell, method: str, to_beat: Sequence[str]) -> float:
    """Excess of a method's mean test error over the best of some others."""
    others = [cell.errors(other, "mean").mean() for other in to_beat if other != method]
    return float(cell.errors(method, "mean").mean() - min(others))


def _scope(cells: Sequence[Cell]) -> str:
    n_pools = len({cell.pool for cell in cells})
    sizes = ", ".join(f"{n:,}" for n in sorted({cell.n_search for cell in cells}))
    return f"{n_pools} pool{'s' if n_pools > 1 else ''}, search parts of {sizes} samples"
