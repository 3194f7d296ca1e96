"""Growth of the time to judge an ensemble with samples, members, classes and ensemble size.

    python benchmarks/growth.py [--out FOLDER]

One quantity is doubled at a time, on one thread. With --out, a plot, growth.png, is written as well. Before anything
is timed, the errors counted on the smallest pool are compared with those of a matrix product.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import io
import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from output import Output, Sheet, Value, arguments
from votes import draw_votes, matrix_product, one_hot

from evo_ensyth.engine import BitPlanes
from evo_ensyth.files import write_whole

START = {"samples": 10_000, "members": 128, "classes": 10, "ensemble size": 16}
DOUBLINGS = 4
ENSEMBLES = 64
REPEATS = 50


def measured(pools: list[tuple[BitPlanes, np.ndarray]]) -> list[float]:
    """Microseconds per ensemble of each pool: the best of several rounds, so that a slow second affects all equally."""
    best = np.full(len(pools), np.inf)
    for _ in range(REPEATS):
        for i, (planes, subsets) in enumerate(pools):
            start = time.perf_counter()
            planes.errors(subsets)
            best[i] = min(best[i], time.perf_counter() - start)
    return (best / ENSEMBLES * 1e6).tolist()


def simulated(samples: int, members: int, classes: int, size: int) -> tuple[BitPlanes, np.ndarray]:
    """A drawn pool, and subsets of one size."""
    return BitPlanes.of(draw_votes(members, samples, classes)), drawn(members, size)


def drawn(members: int, size: int) -> np.ndarray:
    """Subsets of one size: bool, (n_subsets, n_members)."""
    rng = np.random.default_rng(1)
    subsets = np.zeros((ENSEMBLES, members), bool)
    for subset in subsets:
        subset[rng.choice(members, size, replace=False)] = True
    return subsets


def main() -> None:
    """Check, print the table, and draw."""
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path, help="folder for growth.png")
    parser.add_argument("--doublings", type=int, default=DOUBLINGS)
    options = parser.parse_args()
    votes = draw_votes(START["members"], START["samples"], START["classes"])
    subsets = drawn(START["members"], START["ensemble size"])
    if not np.array_equal(BitPlanes.of(votes).errors(subsets), matrix_product(votes, one_hot(votes), subsets)):
        sys.exit("the bit planes count other errors than the matrix product")
    curves, rows = {}, []
    with Output(__doc__, options) as out:
        for what in START:
            sizes = [START[what] * 2**doubling for doubling in range(options.doublings + 1)]
            sizes = [size for size in sizes if what != "ensemble size" or size <= START["members"]]
            curve = measured([simulated(*({**START, what: size}[name] for name in START)) for size in sizes])
            curves[what] = sizes, curve
            # Slope on logarithmic axes: 1 is linear, 0 is flat.
            exponent = float(np.polyfit(np.log(sizes), np.log(curve), 1)[0])
            row: list[Value] = [what, *curve, *[None] * (options.doublings + 1 - len(curve)), exponent]
            rows.append(row)
        columns = {"doubled": "", **{f"x {2**i}": ".2f" for i in range(options.doublings + 1)}, "exponent": ".2f"}
        title = "microseconds per ensemble, from " + ", ".join(f"{n:,} {what}" for what, n in START.items())
        out.show(Sheet(title, columns, rows))
    if options.out:
        draw(curves, options.out / "growth.png")
        print(f"written: {options.out / 'growth.png'}")


def draw(curves: dict[str, tuple[list[int], list[float]]], path: Path) -> None:
    """Plot all curves against the number of doublings, with a linear reference."""
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for what, (sizes, curve) in curves.items():
        axes.plot(np.array(sizes) / sizes[0], np.array(curve) / curve[0], "o-", label=what)
    ends = np.array([1, 2 ** max(len(sizes) - 1 for sizes, _ in curves.values())])
    axes.plot(ends, ends, "--", color="grey", linewidth=1, label="linear")
    axes.set(xscale="log", yscale="log", xlabel="times the start", ylabel="times the time")
    axes.legend(frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140)
    write_whole(path, file.getvalue())


if __name__ == "__main__":
    main()
