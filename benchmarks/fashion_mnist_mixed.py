"""Evaluate compression methods other than Net-Trim on Fashion-MNIST, for single members and for ensembles.

    python -m evo_ensyth pool build fashion_mnist_mixed    # hours; resumes
    python benchmarks/fashion_mnist_mixed.py [POOL]        # prints tables in Markdown, and draws fronts.svg
    python benchmarks/fashion_mnist_mixed.py --out runs/reference/fashion_mnist_mixed

All selection happens on the search split: of members under a limit of bytes, of fronts, and of the recommended
ensembles. The first table shows what each method offers under a limit. The second searches parts of the pool, like
``search --members``, each with the default selector, and compares the recommended ensembles, sample by sample on the
test split, with the one recommended for EnSyth's 36 Net-Trim copies. The third leaves out one method after another,
and the fourth uses bytes instead of members.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from output import Output, Sheet, Value, arguments

from evo_ensyth.errors import EvoEnsythError
from evo_ensyth.files import write_whole
from evo_ensyth.io import StoredPool, read_pool
from evo_ensyth.report.drawing import COLOURS, STYLE, figure_files
from evo_ensyth.report.renderers.plots import TITLES
from evo_ensyth.results.run import Run
from evo_ensyth.results.statistics import mcnemar, paired_interval
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.run import run

ENSYTH = "Net-Trim, EnSyth's 36"
METHODS = {
    "Net-Trim, plain": ("net_trim-*-set?",),
    "Net-Trim, frozen trunk": ("net_trim-*-frozen",),
    "Net-Trim, Adam": ("net_trim-*-tuned",),
    "magnitude": ("magnitude-*-tuned",),
    "magnitude, 4 bits": ("magnitude-*-tuned-quantisation-4",),
    "magnitude, gradual": ("magnitude-*gradual*",),
    "quantisation": ("quantisation-*",),
    "quantisation-aware": ("quantisation_aware-*",),
    "DropNet, minimum": ("dropnet-minimum*",),
    "DropNet, random": ("dropnet-random*",),
    "APoZ": ("apoz-*",),
    "clone and prune": ("clone_and_prune-*-tuned",),
    "clone and prune, 4 bits": ("clone_and_prune-*-quantisation-4",),
    "strategic synthesis": ("strategic_synthesis-sparse*", "strategic_synthesis-pruned*"),
    "random growth": ("strategic_synthesis-random*",),
    "SET": ("sparse_evolution-*",),
    "HCE-style": ("hce_style-variance*",),
    "trained together": ("hce_style-together*",),
    "second parent": ("second-*",),
    "tiny parent": ("tiny-*",),
}
PARTS = {
    ENSYTH: METHODS["Net-Trim, plain"],
    "Net-Trim, all 60": ("net_trim-*",),
    "magnitude, 22": ("magnitude-*",),
    "all but Net-Trim": tuple(pattern for name in METHODS for pattern in METHODS[name] if "Net-Trim" not in name),
    "one parent": tuple(pattern for name in METHODS for pattern in METHODS[name] if "parent" not in name),
    "everything": ("*",),
}
KILOBYTES = (50, 100, 250, 500, 1_000, 2_000)
SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 15)


def main() -> None:
    """Read the pool, print the tables, draw the picture."""
    parser = arguments(__doc__)
    parser.add_argument("pool", type=Path, nargs="?", default=Path("runs/fashion_mnist_mixed/pool"))
    parser.add_argument("--out", type=Path, default=Path("runs/fashion_mnist_mixed"), help="where fronts.svg goes")
    options = parser.parse_args()
    try:
        stored = read_pool(options.pool)
    except EvoEnsythError as error:
        sys.exit(f"{error} Make it with: python -m evo_ensyth pool build fashion_mnist_mixed")
    problem = problem_of(stored, ("error", "n_members"))
    strangers = [name for name in stored.pool.names if not any(map(matcher(name), METHODS.values()))]
    assert not strangers, strangers
    runs = {part: searched(problem, patterns) for part, patterns in PARTS.items()}
    with Output(__doc__, options) as out:
        parent = np.mean(stored.pool.parent.y_pred["test"] != stored.pool.test.y_true)
        out.note(f"The parent: {100 * parent:.2f} % with {stored.pool.parent.costs['bytes'] / 1000:,.0f} kB.")
        out.show(best_of_methods(stored))
        out.show(fronts(runs))
        out.show(recommended(problem, runs))
        best = runs["everything"]
        out.note(f"Of everything: {', '.join(best.recommended.members)}")
        out.show(without_a_method(problem, runs["everything"]))
        out.show(fronts_of_bytes(stored))
    options.out.mkdir(parents=True, exist_ok=True)
    draw(runs, options.out / "fronts")


def problem_of(stored: StoredPool, goals: Sequence[str]) -> Problem:
    """The pool with some objectives."""
    return Problem(stored.pool, goals)


def matcher(name: str) -> Callable[[Sequence[str]], bool]:
    """Whether one of some patterns matches a name."""
    return lambda patterns: any(fnmatchcase(name, pattern) for pattern in patterns)


def searched(problem: Problem, patterns: Sequence[str]) -> Run:
    """Front of the matching members."""
    return run(problem.among(problem.pool.members.matching(patterns)), "nsga2")


def best_of_methods(stored: StoredPool) -> Sheet:
    """Print the test error of the member with the lowest search error under each limit of bytes."""
    sizes = stored.pool.costs["bytes"]
    errors = {votes.split: votes.member_errors / votes.n_samples for votes in (stored.pool.search, stored.pool.test)}
    rows: list[list[Value]] = []
    for method, patterns in METHODS.items():
        members = stored.pool.members.matching(patterns)
        cells: list[Value] = []
        for limit in (*KILOBYTES, np.inf):
            fitting = members[sizes[members] <= 1000 * limit]
            best = min(fitting, key=lambda i: (errors["search"][i], sizes[i]), default=None)
            cells.append(None if best is None else 100 * float(errors["test"][best]))
        rows.append([method, len(members), *cells])
    columns = {"method": "", "members": "", **dict.fromkeys((*(f"{limit:,}" for limit in KILOBYTES), "any"), ".2f")}
    title = "Test error in % of the member with the lowest search error among those of at most so many kB"
    return Sheet(title, columns, rows)


def fronts(runs: Mapping[str, Run]) -> Sheet:
    """Print errors on both splits of the best ensemble of each front up to each size."""
    rows: list[list[Value]] = []
    for part, found in runs.items():
        cells = []
        for size in SIZES:
            fitting = [entry for entry in found.front if entry.size <= size]
            entry = min(fitting, key=lambda entry: entry.search_errors)
            cells.append(" / ".join(f"{100 * entry.error(split):.2f}" for split in ("search", "test")))
        rows.append([part, *cells])
    title = "Error in % on the search split / on the test split, of what the front has with at most so many members"
    return Sheet(title, dict.fromkeys(("members of", *map(str, SIZES)), ""), rows)


def wrong(problem: Problem, found: Run) -> np.ndarray:
    """Test samples that the recommended ensemble gets wrong: bool, (n_test,)."""
    names = problem.pool.names
    subset = np.isin(names, found.recommended.members)[None]
    tested = problem.on_test(subset)
    assert tested is not None
    return np.asarray(tested.predictions[0] != tested.votes.y_true)


def compared(ours: np.ndarray, theirs: np.ndarray) -> list[Value]:
    """Difference in points with its interval, and the p-value of McNemar's exact test."""
    first, second = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    low, high = paired_interval(first, second, len(ours))
    points = f"{100 * (first - second) / len(ours):+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"
    return [points, mcnemar(first, second)]


def recommended(problem: Problem, runs: Mapping[str, Run]) -> Sheet:
    """Print what each front recommends, compared with the front of EnSyth's members."""
    rows: list[list[Value]] = []
    baseline = wrong(problem, runs[ENSYTH])
    for part, found in runs.items():
        entry = found.recommended
        errors = [100 * float(entry.error(split)) for split in ("search", "test")]
        beside = [None, None] if part == ENSYTH else compared(wrong(problem, found), baseline)
        rows.append([part, entry.size, entry.costs["bytes"] / 1000, *errors, *beside])
    columns = {
        "members of": "", "size": "", "kB": ",.0f", "search %": ".2f", "test %": ".2f", "minus EnSyth's": "",
        "p": ".2g",
    }  # fmt: skip
    title = "What each front recommends (95 % interval of the difference on the test split, in points; McNemar's p)"
    return Sheet(title, columns, rows)


def without_a_method(problem: Problem, everything: Run) -> Sheet:
    """Print what is recommended without one method, compared with what is recommended for the whole pool."""
    rows: list[list[Value]] = []
    baseline = wrong(problem, everything)
    for method in METHODS:
        others = [pattern for other, patterns in METHODS.items() if other != method for pattern in patterns]
        found = searched(problem, others)
        entry = found.recommended
        errors = [100 * float(entry.error(split)) for split in ("search", "test")]
        rows.append([method, entry.size, *errors, *compared(wrong(problem, found), baseline)])
    columns = {"without": "", "size": "", "search %": ".2f", "test %": ".2f", "minus everything": "", "p": ".2g"}
    return Sheet("Without one method, what the front recommends, beside what everything recommends", columns, rows)


def fronts_of_bytes(stored: StoredPool) -> Sheet:
    """Print fronts of error against bytes under several limits."""
    rows: list[list[Value]] = []
    limits = (*KILOBYTES, 5_000, 10_000)
    problem = problem_of(stored, ("error", "bytes"))
    for part, patterns in PARTS.items():
        found = searched(problem, patterns)
        cells = []
        for limit in limits:
            fitting = [entry for entry in found.front if entry.costs["bytes"] <= 1000 * limit]
            entry = min(fitting, key=lambda entry: (entry.search_errors, entry.costs["bytes"]), default=None)
            errors = entry and " / ".join(f"{100 * entry.error(split):.2f}" for split in ("search", "test"))
            cells.append(f"{errors} ({entry.size})" if entry else "")
        rows.append([part, *cells])
    title = "Fronts of error against bytes, at most so many kB: search / test error in %, and members"
    return Sheet(title, dict.fromkeys(("members of", *(f"{limit:,}" for limit in limits)), ""), rows)


def draw(runs: Mapping[str, Run], stem: Path) -> None:
    """Both splits side by side, one line for each part."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for axes, split in zip(panels, ("search", "test"), strict=True):
            for (part, found), colour in zip(runs.items(), COLOURS, strict=True):
                entries = [entry for entry in found.front if entry.size <= SIZES[-1]]
                values = [100 * entry.error(split) for entry in entries]
                axes.plot([entry.size for entry in entries], values, "o-", color=colour, markersize=4, label=part)
            axes.set_title(TITLES[split], loc="left", fontsize=10)
            axes.set_xlabel("members")
        panels[0].set_ylabel("error, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
        for file, content in figure_files(figure, stem.name).items():
            write_whole(stem.with_name(file), content)


if __name__ == "__main__":
    main()
