"""Compare the pools that follow EnSyth with what the paper reports, and with what a search finds beyond it.

    python benchmarks/ensyth.py                  # prints the tables from runs/reference, in a minute
    python benchmarks/ensyth.py --out FOLDER     # draws the curves of backward elimination there too

Alhalabi, Gaber, Basurra, "EnSyth: A Pruning Approach to Synthesis of Deep Learning Ensembles", IEEE SMC 2019
(arXiv 1907.09286), reports a pool of 36 copies of one network for each of three data sets. Its backward elimination
drops the least accurate member again and again; members are ordered, and the size is chosen, on the test images. Here
that protocol stands beside one in which members are ordered and the size is chosen on the search split, and the test
images are looked at once.

A data set is reported if its predictions are in ``runs/reference/NAME/predictions.npz``, or are there once its pool is
built and exported; the mixed pools, where there are any, are searched under the parent's own cost.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from output import Output, Sheet, Value, arguments

import evo_ensyth as ee
from evo_ensyth.files import write_whole
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.report.drawing import COLOURS, STYLE, figure_files

REFERENCE = Path(__file__).parents[1] / "runs" / "reference"
MAJORITY = ee.voting.Plurality(ties="lowest")  # the vote of the paper
COSTS = ("bytes", "macs")
EPSILONS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Published:
    """What the paper reports for a data set.

    Attributes
    ----------
    baseline : float
        Accuracy of the parent, in %.
    best : float
        Accuracy of the best of the 36 ensembles, in %.
    size : str
        Members of the best ensemble.
    n_better : int
        Ensembles that beat the parent.
    megabytes : tuple of float
        Compressed arrays: largest, smallest and mean of the members, and the parent.
    parameters : tuple of int
        That are not zero, for each epsilon, in the first of the three fine-tunings; the other two differ by 0.4 % in
        most rows, and by 2.1 % at most. Table II prints two entries of one row under each other's data set; they are
        put right here, and so is the transposed first row.
    """

    baseline: float
    best: float
    size: str
    n_better: int
    megabytes: tuple[float, float, float, float]
    parameters: tuple[int, ...]


PUBLISHED = {
    "cifar10": Published(
        78.4, 78.86, "8", 23, (4.2, 1.6, 2.94, 4.8),
        (449_125, 434_727, 409_820, 389_077, 372_406, 357_104, 300_644, 264_190, 238_728, 220_266, 202_498, 183_802),
    ),
    "cifar5": Published(
        73.3, 73.82, "3", 12, (4.2, 1.3, 2.89, 4.8),
        (495_739, 462_392, 413_032, 377_410, 350_174, 327_820, 262_180, 230_782, 210_362, 191_688, 173_373, 156_328),
    ),
    "fashion_mnist": Published(
        90.3, 90.21, "1 to 5", 0, (7.7, 0.88, 2.56, 7.7),
        (690_727, 515_694, 349_340, 261_155, 216_367, 186_753, 124_971, 103_398, 89_496, 81_341, 73_196, 67_678),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Elimination:
    """The nested ensembles of backward elimination.

    Attributes
    ----------
    sizes : int64, (n_members,)
        1, 2, ..., n_members.
    ordering, judging : float64, (n_members,)
        Error of the ensemble of each size on the split that orders the members, and on the one that judges.
    """

    sizes: np.ndarray
    ordering: np.ndarray
    judging: np.ndarray

    @property
    def chosen(self) -> int:
        """Place of the smallest ensemble with the lowest error on the split that orders."""
        return int(self.ordering.argmin())


def main() -> None:
    """Print the tables of all data sets whose predictions are there, and draw their curves."""
    parser = arguments(__doc__)
    parser.add_argument("--out", type=Path, help="folder for a picture of the curves")
    options = parser.parse_args()
    pools = {name: ee.load(path) for name in PUBLISHED if (path := predictions(name)).exists()}
    if not pools:
        sys.exit(f"there is nothing in {REFERENCE}; run the benchmark from a checkout.")
    with Output(__doc__, options) as out:
        for name in PUBLISHED.keys() - pools.keys():
            out.note(f"{name}: no predictions in {predictions(name)}; nobody has built this pool yet.")
        out.show(parents(pools))
        out.show(backward_elimination(pools))
        out.show(sizes(pools))
        out.show(parameters(pools))
        out.show(derived(pools))
        mixed = {name: ee.load(path) for name in pools if (path := predictions(f"{name}_mixed")).exists()}
        for sheet in searched(pools, mixed):
            out.show(sheet)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(pools, options.out / "curves")


def predictions(name: str) -> Path:
    """Where the predictions of a pool are."""
    return REFERENCE / name / "predictions.npz"


def eliminated(ordering: Votes, judging: Votes) -> Elimination:
    """Backward elimination: members leave in the order of their errors on one split, and another one judges.

    Of members that are equally accurate the last one leaves first; ties of the vote go to the lowest class.
    """
    best_first = np.argsort(ordering.member_errors, kind="stable")
    errors = [nested_errors(votes, best_first) / votes.n_samples for votes in (ordering, judging)]
    return Elimination(np.arange(1, len(best_first) + 1), errors[0], errors[1])


def nested_errors(votes: Votes, order: np.ndarray) -> np.ndarray:
    """Errors of the vote of the first, the first two, ... members of an order: int64, (n_members,)."""
    counts = np.zeros((votes.n_samples, votes.n_classes), np.int64)
    errors = np.empty(len(order), np.int64)
    for place, member in enumerate(order):
        counts[np.arange(votes.n_samples), votes.y_pred[member]] += 1
        errors[place] = np.count_nonzero(counts.argmax(axis=1) != votes.y_true)
    return errors


def parent_error(pool: Pool, split: str = "test") -> float:
    """Share of a split that the parent gets wrong."""
    votes = pool.search if split == "search" else pool.test
    return float(np.mean(pool.parent.y_pred[split] != votes.y_true))


def parents(pools: Mapping[str, Pool]) -> Sheet:
    """The paper's baselines, beside ours."""
    rows: list[list[Value]] = [
        [name, PUBLISHED[name].baseline, 100 * (1 - parent_error(pool)), pool.test.n_samples]
        for name, pool in pools.items()
    ]
    columns = {"data set": "", "published": ".2f", "here": ".2f", "test images": ",.0f"}
    return Sheet("The uncompressed network: accuracy on the test images, %", columns, rows)


def backward_elimination(pools: Mapping[str, Pool]) -> Sheet:
    """Best of the nested ensembles, by the paper's protocol and by one that does not choose on the test images."""
    rows: list[list[Value]] = []
    for name, pool in pools.items():
        told = PUBLISHED[name]
        rows.append([name, "published", told.best, told.best - told.baseline, told.size, told.n_better, ""])
        protocols = {
            "ordered and chosen on test": eliminated(pool.test, pool.test),
            "ordered and chosen on search": eliminated(pool.search, pool.test),
        }
        for protocol, path in protocols.items():
            better = path.sizes[path.judging < parent_error(pool)]
            gain = 100 * (parent_error(pool) - path.judging[path.chosen])
            best = 100 * (1 - path.judging[path.chosen])
            reach = f"{better.min()} to {better.max()}" if len(better) else ""
            rows.append([name, protocol, best, gain, str(path.sizes[path.chosen]), len(better), reach])
    columns = {
        "data set": "", "protocol": "<", "accuracy, %": ".2f", "minus parent": "+.2f", "members": "<",
        "of 36 better than the parent": "d", "their sizes": "<",
    }  # fmt: skip
    return Sheet("Backward elimination, judged on the test images", columns, rows)


def sizes(pools: Mapping[str, Pool]) -> Sheet:
    """Stored sizes of the members: compressed arrays in the paper, the smallest of three formats here."""
    rows: list[list[Value]] = []
    for name, pool in pools.items():
        rows.append([name, "published, compressed arrays", *PUBLISHED[name].megabytes])
        members, parent = pool.costs["bytes"] / 1e6, pool.parent.costs["bytes"] / 1e6
        rows.append([name, "here, bytes", *map(float, (members.max(), members.min(), members.mean(), parent))])
    columns = {"data set": "", "measure": "<", **dict.fromkeys(("largest", "smallest", "mean", "parent"), ".2f")}
    return Sheet("Stored size of a network, MB", columns, rows)


def parameters(pools: Mapping[str, Pool]) -> Sheet:
    """Parameters that are not zero, for each epsilon."""
    columns = {"epsilon": "g"}
    for name in pools:
        columns |= {f"{name}, published": ",d", f"{name}, here": ",d", f"{name}, ratio": ".2f"}
    rows: list[list[Value]] = []
    for place, epsilon in enumerate(EPSILONS):
        cells: list[Value] = []
        for name, pool in pools.items():
            here = int(pool.costs["parameters"][pool.names.index(f"net_trim-{epsilon:g}-set1")])
            told = PUBLISHED[name].parameters[place]
            cells += [told, here, here / told]
        rows.append([epsilon, *cells])
    return Sheet("Parameters that are not zero, in the first of three fine-tunings", columns, rows)


def derived(pools: Mapping[str, Pool]) -> Sheet:
    """The paper's claim that every member has fewer parameters than the parent."""
    rows: list[list[Value]] = [
        [name, 36, int(np.count_nonzero(pool.costs["parameters"] < pool.parent.costs["parameters"]))]
        for name, pool in pools.items()
    ]
    return Sheet("Members with fewer parameters than the parent", {"data set": "", "published": "d", "here": "d"}, rows)


def searched(pools: Mapping[str, Pool], mixed: Mapping[str, Pool]) -> Iterator[Sheet]:
    """What the default search recommends: of the 36, and of the mixed pool, also within the parent's own cost."""
    rows: list[list[Value]] = []
    for name, pool in pools.items():
        rows.append([name, "EnSyth's 36", *recommended(pool, {})])
        if name in mixed:
            rows.append([name, "mixed pool", *recommended(mixed[name], {})])
            limits = {cost: float(mixed[name].parent.costs[cost]) for cost in COSTS}
            rows.append([name, "mixed pool, within the parent's bytes and macs", *recommended(mixed[name], limits)])
    columns = {
        "data set": "", "searched": "<", "members": "d", "error, search %": ".2f", "expected %": ".2f",
        "test %": ".2f", "minus parent": "<", "p": ".1g", **{f"{cost}, of the parent's": ".2f" for cost in COSTS},
    }  # fmt: skip
    yield Sheet(
        "What a search recommends: difference on the test images in points with its 95 % interval, McNemar's p",
        columns,
        rows,
    )


def recommended(pool: Pool, limits: Mapping[str, float]) -> list[Value]:
    """Size, errors, comparison with the parent, and costs as shares of the parent's."""
    run = ee.search(pool, at_most=limits, baselines=[], seed=1)
    chosen = run.recommended
    beside = chosen.comparisons["parent"]
    low, high = beside.interval
    points = f"{100 * beside.on_test:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
    errors = [100 * chosen.error("search"), 100 * run.estimate.error, 100 * chosen.error("test")]
    costs = [chosen.costs[cost] / pool.parent.costs[cost] for cost in COSTS]
    return [len(chosen), *errors, points, beside.corrected, *costs]


def draw(pools: Mapping[str, Pool], stem: Path) -> None:
    """Figures 2 to 4 of the paper: accuracy of the nested ensembles, by both protocols, and that of the parent."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(pools) + 2, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(pools), squeeze=False)[0]
        for axes, (name, pool) in zip(panels, pools.items(), strict=True):
            paths = {
                "ordered on test": eliminated(pool.test, pool.test),
                "on search": eliminated(pool.search, pool.test),
            }
            for (label, path), colour, mark in zip(paths.items(), COLOURS, "os", strict=False):
                axes.plot(path.sizes, 100 * (1 - path.judging), f"{mark}-", color=colour, markersize=3, label=label)
            axes.axhline(100 * (1 - parent_error(pool)), color="black", linestyle="--", linewidth=1, label="parent")
            axes.set_title(name, loc="left", fontsize=10)
            axes.set_xlabel("members")
        panels[0].set_ylabel("accuracy on the test images, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
        for file, content in figure_files(figure, stem.name).items():
            write_whole(stem.with_name(file), content)


if __name__ == "__main__":
    main()
