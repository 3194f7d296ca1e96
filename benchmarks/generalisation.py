"""Compare ways of selecting ensembles by what they recommend, on unseen samples.

::

    python benchmarks/generalisation.py --pools runs/reported-pools --search-samples 200 500 --repeats 20
    python benchmarks/generalisation.py --pools a.npz --methods nsga2 nsga2+half forward_greedy/lowest_error
    python benchmarks/generalisation.py --pools a.npz --methods forward_greedy --folds 10 --repeats 100

A pool is a file of predictions, a stored pool (a folder with ``pool.json``), or a folder of files. Its search and test
samples are joined. Then, many times, a search part is drawn at random, a method recommends an ensemble from the search
part alone, and this is judged on the rest, the test part. All methods are compared on the same draws.

A method is ``SELECTOR@OBJECTIVE+VOTE:TIES/RULE``. What is left out is as in a search by the package, so that ``nsga2``
is its default. The methods that it is compared with are plain: they look at the error, by plurality with ties to the
lowest class, and recommend the lowest error (``:plain`` is short for ``@error+plurality:lowest/lowest_error``). Votes
that need scores are left out where a pool has none; pools with scores have tables of their own.

The tables show test errors and sizes of recommended ensembles, differences (`paired.py` explains the intervals), what
the size rule would recommend with other constants, and with ``--folds`` the nested estimate: its bias, and how often
its interval covers the error on the test part.

Each finished search is a line of ``results.jsonl`` in the folder of results, with a key made of the pool's votes, the
draw, the budget, the method and the package's version. Only missing searches are run, and Ctrl-C keeps what is done.
After a change in the package, start a new folder. Before anything is measured, one draw of a small pool is recounted by
hand.

Searches run in ``--jobs`` processes or, with ``--scheduler``, on the workers of a Dask scheduler. These need the pools
at the same paths, and this folder in their ``PYTHONPATH``.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from output import Output, arguments
from paired import Cell, Record, coverage_sheet, error_sheet, estimate_sheet, share_sheet, versus_sheet
from rich.console import Console
from rich.progress import Progress
from searches import PLAIN, Task, method, searched
from unseen import FEWEST_TEST, FORMAT, Everything, Method, check, read
from votes import draw_votes

import evo_ensyth
from evo_ensyth.errors import InputError, UnfinishedError
from evo_ensyth.executors import Executor, connected
from evo_ensyth.executors.tasks import Division, WorkerKilled
from evo_ensyth.files import fingerprint
from evo_ensyth.pool import Members

BASELINES = tuple(
    name + PLAIN for name in ("backward_elimination", "forward_greedy", "caruana", "single_best", "whole_pool", "nsga2")
)
METHODS = (
    "nsga2", "forward_greedy", "forward_greedy+half", "forward_greedy+soft", "forward_greedy+plurality:lowest",
    "forward_greedy/lowest_error", "forward_greedy@shrunk_error", "backward_elimination", *BASELINES,
)  # fmt: skip


def main() -> None:
    """Check, run the missing searches, and report."""
    options = parsed()
    with Output(__doc__, options) as out:
        try:
            methods = {name: method(name) for name in dict.fromkeys(options.methods)}
            pools = {path: read(path) for path in found(options.pools)}
            tasks = list(asked(pools, methods, options, out))
            check(drawn(), 120, list(methods.values()), budget=2_000, seed=options.seed)
        except InputError as error:
            sys.exit(f"generalisation: {error}")
        out.note("one draw of a small pool was recounted by hand: all methods agree")
        options.results.mkdir(parents=True, exist_ok=True)
        done = finished(options.results / "results.jsonl")
        missing = [task for task in tasks if task.key not in done]
        print(f"{len(tasks) - len(missing):,} searches are there, {len(missing):,} are missing", file=sys.stderr)
        try:
            through = searched_all(missing, done, options)
        except (InputError, UnfinishedError) as error:
            sys.exit(f"generalisation: {error}")
        if not through:
            print(f"stopped; {sum(task.key in done for task in tasks):,} searches are kept", file=sys.stderr)
            sys.exit(130)
        report(cells_of(tasks, done, pools), out, by_estimate=options.folds > 0)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = arguments(__doc__)
    parser.add_argument("--pools", type=Path, nargs="+", required=True, metavar="PATH")
    parser.add_argument("--search-samples", type=int, nargs="+", default=[200, 500, 1_000, 5_000], metavar="N")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--methods", nargs="+", default=METHODS, help="the first is compared with all others")
    parser.add_argument("--budget", type=int, default=5_000, help="evaluations; more where greedy paths need more")
    parser.add_argument("--folds", type=int, default=0, help="of the nested estimate; none by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--scheduler", help="local:N, tcp://HOST:PORT or file:cluster.json, instead of --jobs")
    parser.add_argument("--results", type=Path, default=Path("runs") / "benchmark-generalisation")
    options = parser.parse_args()
    for name in ("repeats", "budget", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; it takes 1 or more")
    if min(options.search_samples) < 2 or options.seed < 0 or options.folds < 0 or options.folds == 1:
        parser.error("--search-samples takes 2 or more, --seed 0 or more, and --folds 0, or 2 or more")
    return options


def found(paths: Sequence[Path]) -> list[Path]:
    """The requested pools: stored ones, files, and all files of a folder.

    Raises
    ------
    InputError
        There is none.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.npz")) if path.is_dir() and not (path / "pool.json").exists() else [path]
        if not inside:
            raise InputError(f"{path} holds no pool.json and no .npz file; name a pool.")
        files += [file.resolve() for file in inside]  # workers may have another working folder
    return list(dict.fromkeys(files))


def asked(
    pools: dict[Path, Everything], methods: dict[str, Method], options: argparse.Namespace, out: Output
) -> Iterator[Task]:
    """Yield all searches, repeat after repeat, so that an interrupted run has covered every pool.

    Raises
    ------
    InputError
        Two pools with one name, an unknown objective, or no pool that is large enough.
    """
    names = [everything.name for everything in pools.values()]
    if len(set(names)) < len(names):
        raise InputError(
            f"two pools are called '{max(names, key=names.count)}'; draws go by name, so judge them apart."
        )
    suited = {path: [name for name in methods if methods[name].suits(pools[path])] for path in pools}
    pairs = []
    for n_search in sorted(set(options.search_samples)):
        for path, everything in pools.items():
            if everything.votes.n_samples >= n_search + FEWEST_TEST:
                pairs.append((n_search, path))
            else:
                n_samples = everything.votes.n_samples
                out.note(f"{everything.name} has {n_samples:,} samples: too few for a search part of {n_search:,}")
    if not pairs:
        raise InputError(f"no pool has {FEWEST_TEST} samples more than a search part; ask for smaller ones.")
    for repeat in range(options.repeats):
        for n_search, path in pairs:
            pool = [pools[path].name, pools[path].votes.fingerprint]
            how = [n_search, repeat, options.seed, options.budget, options.folds]
            for name in suited[path]:
                key = fingerprint([FORMAT, evo_ensyth.__version__, pool, how, methods[name].name])
                yield Task(key, path, n_search, repeat, name, options.budget, options.seed, options.folds)


def drawn() -> Everything:
    """Simulate a small pool to check the arithmetic."""
    votes = draw_votes(24, 500, 4)
    return Everything("check", Members(tuple(f"m{i}" for i in range(votes.n_members))), votes)


def finished(file: Path) -> dict[str, Record]:
    """Finished searches by key. A line that an interruption cut short is skipped."""
    done = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        done[entry["key"]] = entry["record"]
    return done


def searched_all(missing: Sequence[Task], done: dict[str, Record], options: argparse.Namespace) -> bool:
    """Run the missing searches elsewhere, and add them to `done` and the file; False if interrupted.

    Raises
    ------
    InputError
        Nobody can be asked to do so.
    UnfinishedError
        Some searches ended every worker that tried them; the others are done.
    """
    file = options.results / "results.jsonl"
    # A line that was cut short must not absorb the next one.
    torn = file.exists() and not file.read_bytes().endswith(b"\n")
    killed = []
    with executor_of(options) as executor, file.open("a") as lines, Progress(console=Console(stderr=True)) as progress:
        lines.write("\n" * torn)
        bar = progress.add_task("searching", total=len(missing))
        division = Division(executor, searched, missing, len(missing))
        try:
            while outcomes := division.outcomes():
                for outcome in outcomes:
                    task, found = outcome.item, outcome.result
                    progress.advance(bar)
                    if isinstance(found, WorkerKilled):
                        killed.append(f"{task.method} on draw {task.repeat} of {task.path.name}")
                        continue
                    done[task.key] = found
                    about = {**asdict(task), "path": task.path.name}
                    lines.write(json.dumps({**about, "record": found}) + "\n")
                lines.flush()
        except KeyboardInterrupt:
            return False
    if killed:
        raise UnfinishedError(f"every worker that tried it was killed: {'; '.join(killed)}. All else is kept.")
    return True


def executor_of(options: argparse.Namespace) -> AbstractContextManager[Executor]:
    """Who does the searches."""
    if options.scheduler:
        return connected(options.scheduler)
    return ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c)


def _leave_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def cells_of(tasks: Sequence[Task], done: dict[str, Record], pools: dict[Path, Everything]) -> list[Cell]:
    """Arrange the records by pool and size of the search part, and within these by method and repeat."""
    records: dict[tuple[Path, int], dict[str, list[Record]]] = {}
    for task in tasks:  # repeat after repeat, so lists of all methods are in the same order
        records.setdefault((task.path, task.n_search), {}).setdefault(task.method, []).append(done[task.key])
    cells = []
    for (path, n_search), by_method in records.items():
        data = fingerprint([np.sort(pools[path].votes.y_true).tolist()])
        n_test = next(iter(by_method.values()))[0]["n_test"]
        cells.append(Cell(pools[path].name, data, n_search, n_test, by_method))
    return sorted(cells, key=lambda cell: (cell.pool, cell.n_search))


def report(cells: Sequence[Cell], out: Output, *, by_estimate: bool) -> None:
    """Show the tables: of all pools, then of those with scores if there are methods that need some."""
    every = list(max((cell.records for cell in cells), key=len))
    common = [method for method in every if all(method in cell.records for cell in cells)]
    with_scores = [cell for cell in cells if len(cell.records) == len(every)]
    shown = [(list(cells), common)]
    if len(common) < len(every):
        shown.append((with_scores, every))
    for some, methods in shown:
        others = [method for method in methods if method in BASELINES] or methods[1:]
        sizes = sorted({cell.n_search for cell in some})
        scopes = [some, *([cell for cell in some if cell.n_search == n] for n in sizes if len(sizes) > 1)]
        out.show(error_sheet(some, methods))
        for scope in scopes if len(methods) > 1 else ():
            out.show(versus_sheet(scope, methods, others))
        if len(methods) > len(common):
            out.show(versus_sheet(some, methods, methods[:3]))
        out.show(share_sheet(some, methods[0]))
    if by_estimate:
        out.show(estimate_sheet(cells, common[0]))
        out.show(coverage_sheet(cells, common[0]))


if __name__ == "__main__":
    main()
