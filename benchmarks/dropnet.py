"""Reproduce DropNet: remove units of a small network that have the smallest, the largest, or random activations.

    python benchmarks/dropnet.py                        # model A on MNIST, five seeds; resumes after an interruption
    python benchmarks/dropnet.py --model c --seeds 2    # model C on CIFAR-10; convolutions take much longer

As published (Tan, Motani, ICML 2020): in every cycle, a fifth of the remaining units is removed, from all layers
together, and the rest is trained again from its initial weights, by gradient descent at 0.1 in batches of 32, for 100
epochs or until the loss on the validation images has not improved for 5. Each seed has its own initial weights and
split, and builds a pool in ``runs/dropnet/MODEL/seed-N``: the full network, trained like all others, and the networks
that each of the three metrics derives from it. The recipe's own parent stays untrained. Its search split is not needed
here and holds a single image, so 53,999 images of MNIST are for training, 6,000 for early stopping and 10,000 for
testing (published: 54,000, 6,000 and 10,000).

Prints a table, and writes it to ``runs/dropnet/MODEL`` with ``results.csv`` and a plot. Intervals of accuracies are
the published ones, 1.96 standard deviations divided by the root of the number of seeds; those of differences are t
intervals of the differences per seed, because there are few seeds.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from output import Output, Sheet, arguments
from paired import Difference, written

from evo_ensyth.cli.progress import pool_progress
from evo_ensyth.files import write_whole
from evo_ensyth.io.pool_folder import read_member
from evo_ensyth.report.drawing import COLOURS, STYLE, figure_files
from evo_ensyth.synthesis import DropNet, Recipe, Route, Training, build_pool
from evo_ensyth.synthesis.compression import CompressionInputs, Report, Variant, silent
from evo_ensyth.synthesis.compression._units import n_units, units_of_layers
from evo_ensyth.synthesis.compression.dropnet import PUBLISHED_TRAINING, Patience, held_out_split
from evo_ensyth.synthesis.descent import train
from evo_ensyth.synthesis.network import Network
from evo_ensyth.synthesis.reproducibility import derived_seed

RUNS = Path("runs/dropnet")
METRICS = ("minimum", "maximum", "random")
SHARE = 0.2
FULL = "full"
TICKS = (2, 3, 5, 10, 20, 50, 100)  # %


@dataclass(frozen=True)
class Model:
    """A network of the paper, its data set, and the layers whose units may be removed."""

    network: str
    dataset: str
    layers: tuple[str, ...]
    n_units: int
    n_cycles: int


MODELS = {
    "a": Model("dropnet_a", "mnist", ("fc1", "fc2"), 80, 12),
    "b": Model("dropnet_b", "mnist", ("conv1", "conv2"), 128, 12),
    "c": Model("dropnet_c", "cifar10", ("conv1", "conv2", "conv3", "conv4"), 384, 11),
}


@dataclass(frozen=True)
class FullNetwork:
    """The network with all its units, trained as DropNet trains the remaining ones in a cycle."""

    like: DropNet

    def names(self) -> tuple[str, ...]:
        """One name."""
        return (FULL,)

    def variants(
        self,
        parent: Network,
        inputs: CompressionInputs,
        *,
        seed: int,
        scratch: Path | None = None,
        progress: Report = silent,
    ) -> Iterator[Variant]:
        """Yield the network; nothing is taken from the parent."""
        fitted, held_out = held_out_split(inputs.train, seed)
        trained = train(
            inputs.untrained,
            fitted,
            self.like.training,
            seed=derived_seed(seed, FULL, "training"),
            stop=Patience(held_out, self.like.patience),
            progress=lambda done, total, text: progress(f"{FULL}, {text}"),
        )
        units = {name: n_units(trained, name) for name in units_of_layers(trained, self.like.layers).groups}
        yield Variant(FULL, {"method": FULL}, trained, {"units": units})


@dataclass(frozen=True)
class Result:
    """Result of one network; cycle 0 is the full network, which is the same for all metrics."""

    seed: int
    metric: str
    cycle: int
    units: tuple[int, ...]
    accuracy: float


def recipe(model: Model, seed: int, training: Training = PUBLISHED_TRAINING) -> Recipe:
    """The full network, and DropNet applied to it by each metric."""
    methods = tuple(
        DropNet(metric, SHARE, model.n_cycles, training=training, layers=model.layers) for metric in METRICS
    )
    return Recipe(
        dataset=model.dataset,
        n_search=1,
        network=model.network,
        training=Training(epochs=0),
        compressors=(Route(FullNetwork(methods[0]), then=methods),),
        fine_tunings=(),
        n_calibration=1,
        seed=seed,
    )


def units_left(n_units: int, n_cycles: int) -> tuple[int, ...]:
    """Numbers of units at first and after every cycle: each removes `SHARE` of them, rounded down, at least one."""
    counts = [n_units]
    for _ in range(n_cycles):
        counts.append(counts[-1] - max(1, int(SHARE * counts[-1])))
    return tuple(counts)


def results(plan: Recipe, folder: Path, model: Model) -> list[Result]:
    """Test accuracies and units of one finished pool.

    Raises
    ------
    AssertionError
        A network has another number of units than the published rule leaves it.
    """
    found = []
    for metric in METRICS:
        names = [FULL, *(m.name for m in plan.members() if m.of is not None and m.compressor.metric == metric)]
        for cycle, (name, expected) in enumerate(zip(names, units_left(model.n_units, model.n_cycles), strict=True)):
            member = read_member(folder, name)
            assert member is not None
            units = tuple(member["report"]["compression"]["units"].values())
            assert sum(units) == expected, (
                f"{folder}: {name} has {sum(units)} units, the published rule leaves {expected}"
            )
            found.append(Result(plan.seed, metric, cycle, units, member["report"]["accuracy"]["test"]))
    return found


def accuracies(found: Sequence[Result], metric: str) -> np.ndarray:
    """Test accuracies in %, (n_cycles + 1, n_seeds)."""
    seeds = sorted({result.seed for result in found})
    by_place = {(result.cycle, result.seed): result.accuracy for result in found if result.metric == metric}
    n_cycles = max(cycle for cycle, _ in by_place)
    return 100 * np.array([[by_place[cycle, seed] for seed in seeds] for cycle in range(n_cycles + 1)])


def unit_counts(found: Sequence[Result]) -> list[int]:
    """Numbers of units in every cycle, which are the same for every metric and seed."""
    first = (found[0].seed, found[0].metric)
    return [sum(result.units) for result in found if (result.seed, result.metric) == first]


def half_widths(values: np.ndarray) -> np.ndarray:
    """Half the published 95 % interval of each row's mean: 1.96 sd / sqrt(n); NaN for a single seed."""
    n_seeds = values.shape[1]
    if n_seeds < 2:
        return np.full(len(values), np.nan)
    return 1.96 * values.std(axis=1, ddof=1) / np.sqrt(n_seeds)


def sheet(found: Sequence[Result], title: str) -> Sheet:
    """One row per number of units: accuracies by metric, and the differences of the minimum from the others."""
    by_metric = {metric: accuracies(found, metric) for metric in METRICS}
    intervals = [(values.mean(axis=1), half_widths(values)) for values in by_metric.values()]
    least, counts = by_metric["minimum"], unit_counts(found)
    columns = ("units", "%", *METRICS, "minimum - full", "minimum - random", "minimum - maximum")
    rows = []
    for cycle, count in enumerate(counts):
        texts = [f"{mean[cycle]:.2f} ± {half[cycle]:.2f}" for mean, half in intervals]
        rivals = (least[0], by_metric["random"][cycle], by_metric["maximum"][cycle])
        differences = [Difference.of(least[cycle] - rival).text if cycle else "" for rival in rivals]
        rows.append((str(count), f"{100 * count / counts[0]:.0f}", *texts, *differences))
    return written(title, columns, tuple(rows))


def write_results(found: Sequence[Result], path: Path) -> None:
    """Write one line for every network: units layer by layer, and test accuracy."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("seed", "metric", "cycle", "units", "layers", "test_accuracy"))
    for result in found:
        layers = "+".join(map(str, result.units))
        writer.writerow((result.seed, result.metric, result.cycle, sum(result.units), layers, result.accuracy))
    write_whole(path, file.getvalue().encode())


def write_picture(found: Sequence[Result], title: str, stem: Path) -> None:
    """Plot test errors against the share of units that are removed, with their intervals, as SVG and PNG."""
    counts = np.array(unit_counts(found))
    gone = 100 * (1 - counts / counts[0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for metric, colour, mark in zip(METRICS, COLOURS, "osD", strict=False):
            errors = 100 - accuracies(found, metric)
            look = {"color": colour, "marker": mark, "markersize": 4, "capsize": 2}
            axes.errorbar(gone, errors.mean(axis=1), half_widths(errors), label=metric, **look)
        axes.set_yscale("log")
        axes.set_yticks(TICKS, labels=[str(tick) for tick in TICKS])
        axes.set_ylim(TICKS[0], TICKS[-1])  # An interval from a few seeds may reach 0.
        axes.minorticks_off()
        axes.set_xlabel("units gone, %")
        axes.set_ylabel("test error, %")
        axes.set_title(title, fontsize=10, loc="left")
        axes.legend(frameon=False)
        for file, content in figure_files(figure, stem.name).items():
            write_whole(stem.with_name(file), content)


def main() -> None:
    """Build the pools, seed by seed, and print the results."""
    parser = arguments(__doc__)
    parser.add_argument("--model", choices=tuple(MODELS), default="a")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 1 on")
    options = parser.parse_args()
    model, folder, found = MODELS[options.model], RUNS / options.model, list[Result]()
    for seed in range(1, options.seeds + 1):
        plan, pool = recipe(model, seed), folder / f"seed-{seed}"
        with pool_progress(quiet=False) as progress:
            build_pool(plan, pool, problem="dropnet", progress=progress)
        found += results(plan, pool, model)
    title = f"DropNet, model {options.model.upper()} on {model.dataset}, seeds 1 to {options.seeds}"
    table = sheet(found, f"{title}: test accuracy in %")
    write_whole(folder / "table.md", table.markdown().encode())
    write_results(found, folder / "results.csv")
    write_picture(found, title, folder / "errors")
    with Output(__doc__, options) as out:
        out.show(table)


if __name__ == "__main__":
    main()
