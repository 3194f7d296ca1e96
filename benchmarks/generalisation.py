"""Evaluate which way of selecting ensembles holds on unseen samples.

::

    python benchmarks/generalisation.py --pools runs/digits/pool more/pools --search-samples 500 1000 --repeats 20
    python benchmarks/generalisation.py --pools a.npz --methods local_search forward_greedy@shrunk_error

A pool is a file of predictions, a stored pool (a folder with ``pool.json``), or a folder of files. Its search and test
samples are joined. Then, many times, a search part is drawn at random, a method selects on the search part alone, and
what it offers is evaluated on the rest, the test part. Draws depend on the seed, the pool, the size of the search part
and the repeat, not on the method: all methods are compared on the same draws.

A method is ``SELECTOR``, which searches by error and size, or ``SELECTOR@OBJECTIVE``, which replaces the error by a
leading objective. So ``nsga2`` is plain NSGA-II, and ``nsga2`` with its default leading objective is the default of the
package; both are always among the methods. (For a selector that only looks at errors, such as ``caruana``, the leading
objective only chooses among the ensembles on its path.) ``+VOTE`` after either says how the selected members vote;
it is fitted to the search part like everything else.

*Size k*: the best subset by the method's leading objective on the search part, among all subsets of k members that it
judged; for ``backward_elimination`` these are the k best members. A size that it never judged is filled by the next
smaller one or, if there is none, by the smallest: ``single_best`` and ``whole_pool`` have one error for all sizes. The
mean of the test errors over k = 1 to 20, or to the size of the pool, is the main measure. *Up to k*: the same for at
most k members. *Recommended*: the ensemble of the front with the lowest error on the search part, whatever led the
search; between equal errors, the smallest.

`paired.py` explains how differences are averaged over pools, and what a win is. *Seconds* are those of the search
alone; with several jobs the machine is busy.

Each finished search is a line of ``results.jsonl`` in the folder of results, with a key made of all that determines
it: the pool's votes and costs, the draw, the budget, the method with its settings, the package's version, and the
sources of the selector, of its leading objective with the objectives it uses, and of the rule that recommends. Only
missing searches are run, and Ctrl-C keeps what is done. After any other change in the package, start a new folder.
Before anything is measured, one draw of a small pool is recomputed by hand.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import functools
import json
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from output import machine, machine_facts, versions
from paired import (
    MEASURES,
    Cell,
    Comparison,
    Record,
    cell_sheet,
    grid_sheet,
    picture,
    rule_sheet,
    summary_sheet,
    versus_sheet,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from unseen import FEWEST_TEST, FORMAT, Everything, Method, check, played, read
from votes import draw_votes

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, write_json, write_whole
from evo_ensyth.pool import Members, Scores

TO_BEAT = ("backward_elimination", "backward_wrapper", "forward_greedy", "nsga2")
REFERENCES = (*TO_BEAT, "caruana", "single_best", "whole_pool")
DEFAULT = "nsga2@smoothed_error"
RESULTS = Path("runs") / "benchmark-generalisation"


@dataclass(frozen=True)
class Task:
    """One requested search; its key is a digest of everything that determines its result."""

    key: str
    path: Path
    n_search: int
    repeat: int
    method: str
    budget: int
    seed: int


def main() -> None:
    """Check, run the missing searches, and report."""
    options = parsed()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        methods = [Method(name) for name in dict.fromkeys((*REFERENCES, DEFAULT, *options.methods))]
        pools = {path: read(path) for path in found(options.pools)}
        tasks = list(asked(pools, methods, options, console))
        check(drawn(), 120, methods, budget=2_000, seed=options.seed)
    except InputError as error:
        sys.exit(f"generalisation: {error}")
    console.print(f"{machine()}\none draw of a small pool was recomputed by hand: all methods agree")
    options.results.mkdir(parents=True, exist_ok=True)
    done = finished(options.results / "results.jsonl")
    missing = [task for task in tasks if task.key not in done]
    console.print(f"{len(tasks) - len(missing):,} searches are there, {len(missing):,} are missing")
    if not searched_all(missing, done, options):
        console.print(f"stopped; {sum(task.key in done for task in tasks):,} of {len(tasks):,} searches are kept")
        sys.exit(130)
    report(cells_of(tasks, done, pools), options, console)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pools", type=Path, nargs="+", required=True, metavar="PATH")
    parser.add_argument("--search-samples", type=int, nargs="+", default=[500, 1_000, 5_000], metavar="N")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--methods", nargs="+", default=[], help="besides " + ", ".join((*REFERENCES, DEFAULT)))
    parser.add_argument("--budget", type=int, default=20_000, help="evaluations; more where the baselines need more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for searches, tables and the picture")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--json", type=Path, help="where everything goes, draw by draw; RESULTS/generalisation.json")
    options = parser.parse_args()
    for name in ("repeats", "budget", "jobs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; it takes 1 or more")
    if min(options.search_samples) < 2 or options.seed < 0:
        parser.error("--search-samples takes 2 or more, and --seed 0 or more")
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
        files += inside
    return list(dict.fromkeys(files))


def asked(
    pools: dict[Path, Everything], methods: Sequence[Method], options: argparse.Namespace, console: Console
) -> Iterator[Task]:
    """Yield all searches, repeat after repeat, so that an interrupted run has covered every pool.

    Raises
    ------
    InputError
        Two pools with one name, an unknown method, or no pool that is large enough.
    """
    names = [everything.name for everything in pools.values()]
    if len(set(names)) < len(names):
        raise InputError(
            f"two pools are called '{max(names, key=names.count)}'; draws go by name, so judge them apart."
        )
    keys = {path: _pool_key(everything) for path, everything in pools.items()}
    about = {(path, method.name): method.about(pools[path].pool) for path in pools for method in methods}
    pairs = []
    for n_search in sorted(set(options.search_samples)):
        for path, everything in pools.items():
            if everything.votes.n_samples >= n_search + FEWEST_TEST:
                pairs.append((n_search, path))
            else:
                n_samples = everything.votes.n_samples
                console.print(f"{everything.name} has {n_samples:,} samples: too few for a search part of {n_search:,}")
    if not pairs:
        raise InputError(f"no pool has {FEWEST_TEST} samples more than a search part; ask for smaller ones.")
    for repeat in range(options.repeats):
        for n_search, path in pairs:
            draw = [n_search, repeat, options.seed, options.budget]
            for method in methods:
                key = fingerprint([FORMAT, keys[path], draw, about[path, method.name]])
                yield Task(key, path, n_search, repeat, method.name, options.budget, options.seed)


def drawn() -> Everything:
    """Simulate a small pool to check the arithmetic."""
    votes = draw_votes(24, 500, 4)
    # Scores that add nothing to the labels, for methods that need some.
    scored = replace(votes, read_scores=lambda: Scores(np.eye(4)[votes.y_pred], votes.y_true, votes.split))
    return Everything("check", Members(tuple(f"m{i}" for i in range(votes.n_members))), scored)


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
    """Run the missing searches in separate processes, and add them to `done` and the file; False if interrupted."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=_stderr())
    executor = ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c)
    file = options.results / "results.jsonl"
    # A line that was cut short must not absorb the next one.
    torn = file.exists() and not file.read_bytes().endswith(b"\n")
    with file.open("a") as lines, progress:
        lines.write("\n" * torn)
        bar = progress.add_task("searching", total=len(missing))
        try:
            futures: dict[Future[Record], Task] = {executor.submit(search, task): task for task in missing}
            for future in as_completed(futures):
                task = futures[future]
                done[task.key] = future.result()
                about = {**asdict(task), "path": task.path.name}
                lines.write(json.dumps({**about, "record": done[task.key]}) + "\n")
                lines.flush()
                progress.advance(bar)
        except KeyboardInterrupt:
            return False
        finally:
            executor.shutdown(cancel_futures=True)
    return True


def search(task: Task) -> Record:
    """One search, in a separate process."""
    method = Method(task.method)
    _compiled(method)
    return played(_read_once(task.path), task.n_search, task.repeat, method, budget=task.budget, seed=task.seed)


@functools.cache
def _compiled(method: Method) -> None:
    """Let a method search a small pool, so that compiling and importing are not timed."""
    played(drawn(), 120, 0, method, budget=2_000, seed=0)


_read_once = functools.cache(read)


def _leave_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stderr() -> Console:
    return Console(stderr=True)


def _pool_key(everything: Everything) -> list[Any]:
    costs = {name: values.tolist() for name, values in everything.pool.costs.items()}
    return [everything.name, everything.votes.fingerprint, costs]


def cells_of(tasks: Sequence[Task], done: dict[str, Record], pools: dict[Path, Everything]) -> list[Cell]:
    """Arrange the records by pool and size of the search part, and within these by method and repeat."""
    records: dict[tuple[Path, int], dict[str, list[Record]]] = {}
    for task in tasks:  # repeat after repeat, so lists of all methods are in the same order
        records.setdefault((task.path, task.n_search), {}).setdefault(task.method, []).append(done[task.key])
    cells = []
    for (path, n_search), by_method in records.items():
        n_test = next(iter(by_method.values()))[0]["n_test"]
        cells.append(Cell(pools[path].name, len(pools[path].pool), n_search, n_test, by_method))
    return cells


def report(cells: Sequence[Cell], options: argparse.Namespace, console: Console) -> None:
    """Print the tables, and write the plot, the page and JSON."""
    scopes = [[cell for cell in cells if cell.n_search == n] for n in sorted({cell.n_search for cell in cells})]
    scopes += [list(cells)] if len(scopes) > 1 else []
    sheets = [cell_sheet(cell, REFERENCES[0]) for cell in cells]
    for scope in scopes:
        sheets.append(summary_sheet(scope, TO_BEAT))
        sheets += [versus_sheet(scope, REFERENCES, measure) for measure in MEASURES]
    sheets += [grid_sheet(cells, measure) for measure in MEASURES]
    sheets.append(rule_sheet(cells, DEFAULT, TO_BEAT))
    page = "\n".join(sheet.markdown() for sheet in sheets)
    if options.markdown:
        print(page)
    else:
        for sheet in sheets:
            console.print(sheet.rich())
    everything = options.json or options.results / "generalisation.json"
    write_json(everything, facts(cells, scopes, options))
    write_whole(options.results / "generalisation.md", page.encode())
    write_whole(options.results / "generalisation.png", picture(cells))
    for file in (everything, options.results / "generalisation.md", options.results / "generalisation.png"):
        print(f"written: {file}", file=sys.stderr)


def facts(cells: Sequence[Cell], scopes: Sequence[Sequence[Cell]], options: argparse.Namespace) -> dict[str, Any]:
    """Everything, for JSON: records draw by draw, and all comparisons."""
    methods = list(cells[0].records)
    return {
        "format": FORMAT,
        "machine": machine_facts(),
        "versions": versions(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seed": options.seed,
        "budget": options.budget,
        "repeats": options.repeats,
        "cells": [asdict(cell) for cell in cells],
        "comparisons": [
            {
                "search_samples": sorted({cell.n_search for cell in scope}),
                "measure": measure,
                "method": method,
                "baseline": baseline,
                "these_pools": _points(compared.here),
                "any_pools": _points(compared.overall),
                "wins_draws_losses": compared.score,
                "cells": [
                    {"pool": cell.pool, "n_search": cell.n_search, **_points(difference)}
                    for cell, difference in zip(scope, compared.cells, strict=True)
                ],
            }
            for scope in scopes
            for measure in MEASURES
            for method in methods
            for baseline in methods
            if method != baseline
            for compared in [Comparison.of(scope, method, baseline, measure)]
        ],
    }


def _points(difference: Any) -> dict[str, float | None]:
    """Points of error; a single draw has no interval."""
    return {name: None if value != value else value for name, value in asdict(difference).items()}


if __name__ == "__main__":
    main()
