"""Compare methods on the same draws: paired differences with intervals, and tables.

Two methods are compared draw by draw, so that the spread of the draws, which is larger than most differences, cancels.
Pools that predict the same samples are one *data set*, and all data sets have the same weight.

*These pools*: the interval comes from the spread of the draws, and is about the mean over these data sets.

*Any pools*: the t interval of the data sets' mean differences, about the mean over all of which these are a sample. It
is strict: one data set with a large gain widens it.

A *win* is a pool and size of the search part whose interval over the draws lies below zero, a *loss* one whose interval
lies above; everything else is a *draw*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from output import Sheet
from scipy.special import stdtrit
from unseen import SHARES

from evo_ensyth.results import estimate
from evo_ensyth.results.statistics import interval

Record = Mapping[str, Any]  # as `unseen.played` returns
LEVEL = 0.95
EFFECTIVE = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Cell:
    """All draws of one pool with search parts of one size.

    Attributes
    ----------
    pool : str
    data : str
        The same for pools of the same samples.
    n_search, n_test : int
    records : mapping of method to its records
        Draw by draw, in the same order for all methods.
    """

    pool: str
    data: str
    n_search: int
    n_test: int
    records: Mapping[str, Sequence[Record]]

    def errors(self, method: str, part: str = "errors") -> np.ndarray:
        """Errors of the recommended ensembles in %: float64, (n_draws,)."""
        n = self.n_search if part == "errors_on_search" else self.n_test
        return np.array([record[part] for record in self.records[method]]) / n * 100

    def size(self, method: str) -> float:
        """Mean size of the recommended ensembles."""
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
    """What one method recommends compared with what another does, over some cells.

    Attributes
    ----------
    here, anywhere : Difference
        Over these pools and over any; of one data set, both over its draws.
    cells : tuple of Difference
    """

    here: Difference
    anywhere: Difference
    cells: tuple[Difference, ...]

    @classmethod
    def of(cls, cells: Sequence[Cell], method: str, baseline: str) -> "Comparison":
        """Compare draw by draw, then data set by data set, over all its pools and sizes of search parts."""
        differences = [cell.errors(method) - cell.errors(baseline) for cell in cells]
        draws = [np.mean(values, axis=0) for values in by_data(cells, differences)]
        anywhere = draws[0] if len(draws) == 1 else np.array([values.mean() for values in draws])
        return cls(Difference.of_means(draws), Difference.of(anywhere), tuple(map(Difference.of, differences)))

    @property
    def score(self) -> tuple[int, int, int]:
        """Wins, draws and losses."""
        verdicts = [cell.verdict for cell in self.cells]
        return verdicts.count("win"), verdicts.count("draw"), verdicts.count("loss")

    @property
    def text(self) -> str:
        """Difference, interval for any pools, wins, draws and losses, and the worst cell."""
        half = (self.anywhere.high - self.anywhere.low) / 2
        worst = max(cell.mean for cell in self.cells)
        return f"{self.here.text} (± {half:.2f})\n{'/'.join(map(str, self.score))}, worst {worst:+.2f}"


def by_data(cells: Sequence[Cell], values: Sequence[Any]) -> list[list[Any]]:
    """Values of the cells, one list for each data set."""
    groups: dict[str, list[Any]] = {}
    for cell, value in zip(cells, values, strict=True):
        groups.setdefault(cell.data, []).append(value)
    return list(groups.values())


def over_data(cells: Sequence[Cell], values: Sequence[float]) -> float:
    """Mean over the data sets of each one's mean."""
    return float(np.mean([np.mean(group) for group in by_data(cells, values)]))


def written(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    """A table whose cells are written already."""
    return Sheet(title, dict.fromkeys(columns, ""), rows)


def error_sheet(cells: Sequence[Cell], methods: Sequence[str]) -> Sheet:
    """Test error and size of what every method recommends, cell by cell and on average."""
    errors = {method: [float(cell.errors(method).mean()) for cell in cells] for method in methods}
    sizes = {method: [cell.size(method) for cell in cells] for method in methods}
    rows = [
        [f"{cell.pool}, {cell.n_search:,}", *(f"{errors[m][i]:.2f} ({sizes[m][i]:.1f})" for m in methods)]
        for i, cell in enumerate(cells)
    ]
    means = (f"{over_data(cells, errors[m]):.2f} ({over_data(cells, sizes[m]):.1f})" for m in methods)
    title = f"{_scope(cells)}: test error in % and members of the recommended ensemble"
    return written(title, ("pool, search samples", *methods), [*rows, ["mean over the data sets", *means]])


def versus_sheet(cells: Sequence[Cell], methods: Sequence[str], baselines: Sequence[str]) -> Sheet:
    """Every method minus every baseline."""
    rows = [
        (method, *("" if method == other else Comparison.of(cells, method, other).text for other in baselines))
        for method in sorted(methods, key=lambda name: over_data(cells, [cell.errors(name).mean() for cell in cells]))
    ]
    title = f"{_scope(cells)}: test error minus that of another, in points, ± for these pools (± for any pools); "
    return written(title + "wins/draws/losses; the worst pool", ("method", *baselines), rows)


def share_sheet(cells: Sequence[Cell], method: str) -> Sheet:
    """What the size rule recommends if it may give up other shares of the gain."""
    rows = []
    for i, share in enumerate(SHARES):
        taken = [np.mean([record["shares"][i] for record in cell.records[method]], axis=0) for cell in cells]
        errors = [wrong / cell.n_test * 100 for (wrong, _), cell in zip(taken, cells, strict=True)]
        rows.append([share, over_data(cells, errors), over_data(cells, [size for _, size in taken])])
    return Sheet(
        f"{_scope(cells)}: {method} by the share of the gain that may be given up",
        {"share": ".2f", "test error, %": ".2f", "members": ".1f"},
        rows,
    )


def estimate_sheet(cells: Sequence[Cell], method: str) -> Sheet:
    """The nested estimate beside the error on the test part: bias, and how often the interval covers it."""
    rows: list[list[Any]] = []
    for cell in cells:
        error = float(cell.errors(method).mean())
        estimates = np.array([record["estimated"] for record in cell.records[method]]) / cell.n_search * 100
        naive = float(cell.errors(method, "errors_on_search").mean()) - error
        covered = coverage(cell, method, estimate.EFFECTIVE)
        bias = float(estimates.mean()) - error
        rows.append([f"{cell.pool}, {cell.n_search:,}", len(estimates), error, naive, bias, covered.mean()])
    parts = [[over_data(cells, [row[column] for row in rows]) for column in (2, 3, 4)]]
    n_draws = sum(row[1] for row in rows)
    share = float(np.mean(np.concatenate([coverage(cell, method, estimate.EFFECTIVE) for cell in cells])))
    rows.append(["mean over the data sets; of all draws", n_draws, *parts[0], share])
    columns = {
        "pool, search samples": "", "draws": ",", "test error, %": ".2f", "search error minus it": "+.2f",
        "estimate minus it": "+.2f", "covered": ".1%",
    }  # fmt: skip
    return Sheet(f"{_scope(cells)}: {method}, error and its nested estimate", columns, rows)


def coverage_sheet(cells: Sequence[Cell], method: str) -> Sheet:
    """Coverage of intervals that count other shares of the samples."""
    rows = []
    for share in EFFECTIVE:
        by_cell = [coverage(cell, method, share) for cell in cells]
        rows.append([share, float(np.mean(np.concatenate(by_cell))), min(float(each.mean()) for each in by_cell)])
    columns = {"share of the samples": ".1f", "covered": ".1%", "least, of any pool": ".1%"}
    return Sheet(f"{_scope(cells)}: {method}, coverage of the interval around the estimate", columns, rows)


def coverage(cell: Cell, method: str, share: float) -> np.ndarray:
    """Whether the interval around the estimate contains the error on the test part: bool, (n_draws,).

    Parameters
    ----------
    cell : Cell
    method : str
    share : float
        Of the samples, that the interval counts; see `estimate.EFFECTIVE`.
    """
    n = round(share * cell.n_search)
    bounds = [interval(round(record["estimated"] / cell.n_search * n), n) for record in cell.records[method]]
    errors = cell.errors(method) / 100
    return np.array([low <= error <= high for (low, high), error in zip(bounds, errors, strict=True)])


def _scope(cells: Sequence[Cell]) -> str:
    n_data = len({cell.data for cell in cells})
    sizes = ", ".join(f"{n:,}" for n in sorted({cell.n_search for cell in cells}))
    return f"{len({cell.pool for cell in cells})} pools of {n_data} data sets, {sizes} search samples"
