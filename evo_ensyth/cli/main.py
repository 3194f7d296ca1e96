"""The commands: search, report, pick, and those of `pool_cli`. They parse, call and print, and decide nothing."""

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_ensyth import __version__
from evo_ensyth.cli.pool import Json, Out, Quiet, pool
from evo_ensyth.errors import EvoEnsythError, InputError, UnfinishedError, build_extra, one_line

if TYPE_CHECKING:
    from evo_ensyth.results.run import Run
    from evo_ensyth.search.evaluator import Evaluator

UNFINISHED = 1
# What a shell says of a command that Ctrl-C ended, or the end of the pipe that it wrote to.
INTERRUPTED = 130
PIPE_CLOSED = 141

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which few of many models, voting together, beat the best of them?",
)

Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same front.")]
app.add_typer(pool, name="pool")


@app.command()
def search(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROBLEM | FOLDER | FILE]",
            help="A problem, a pool, or a .npz file of predictions; digits if not given.",
        ),
    ] = None,
    selector: Annotated[str, typer.Option(help="How to choose.")] = "nsga2",
    against: Annotated[
        list[str] | None, typer.Option(help="A selector to compare with; repeatable. [default: backward_elimination]")
    ] = None,
    members: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only members whose names match, such as 'net_trim-*'; repeatable."),
    ] = None,
    objectives: Annotated[
        str | None, typer.Option(help="What to minimise, separated by commas. [default: error,n_members]")
    ] = None,
    at_most: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A hard limit, such as bytes=2e6; repeatable.")
    ] = None,
    at_least: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Likewise, such as recall_of_class_3=0.9 or accuracy=0.9; repeatable."),
    ] = None,
    criterion: Annotated[
        str | None,
        typer.Option(
            help="What leads the search in the place of the error. [default: shrunk_error for nsga2, else error]"
        ),
    ] = None,
    budget: Annotated[int | None, typer.Option(min=1, help="Ensembles that each selector may have judged.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Time that each selector may take.")] = None,
    max_size: Annotated[
        int | None, typer.Option(min=1, help="Largest ensembles to look at, for selectors that know it, such as exact.")
    ] = None,
    seed: Seed = 1,
    test_share: Annotated[
        float, typer.Option(help="Share of the samples to test on, for a file that is not split.")
    ] = 0.5,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of that split.")] = 0,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for the ensembles that trade error against cost best."""
    from evo_ensyth import workspace
    from evo_ensyth.cli import progress
    from evo_ensyth.files import check_new_folder, next_free
    from evo_ensyth.report import console
    from evo_ensyth.search import run as runs
    from evo_ensyth.search import selectors
    from evo_ensyth.search.constraints import read_constraints

    # What can be wrong is found before a pool is made or a search begins: both may take hours.
    rivals = ["backward_elimination"] if against is None else against
    settings = {} if max_size is None else {"max_size": max_size}
    selectors.load(selector, settings)
    for name in rivals:
        selectors.load(name)
    if out is not None:
        check_new_folder(out)
    problem = workspace.load_problem(
        target or "digits",
        build=lambda name: _build_pool(name, quiet),
        test_share=test_share,
        split_seed=split_seed,
    )
    source = problem.pool.source
    if members:
        problem = problem.among(problem.pool.members.matching(members))
        source = {**source, "members": list(members)}

    def place() -> Path:
        return out or next_free(workspace.results_folder(problem.name) / f"{selector}-seed{seed}")

    check_new_folder(place())
    if objectives is not None:
        names = [name.strip() for name in objectives.split(",")]
        problem = problem.with_objectives(tuple(problem.find(name) for name in names))
    constraints = read_constraints(at_most or [], at_least or [], problem.pool.members, problem.known)
    problem = problem.with_constraints((*problem.constraints, *constraints))
    leading = problem.find(criterion) if criterion else None
    with progress.search_progress(quiet=quiet) as (observe, tell), _stopped_by_ctrl_c() as attach:
        found = runs.run(
            problem,
            selector,
            against=rivals,
            budget=budget,
            seconds=seconds,
            seed=seed,
            source=source,
            observe=lambda name, milestone: observe(name, milestone, budget),
            tell=tell,
            attach=attach,
            settings=settings,
            criterion=leading,
            scratch=workspace.results_folder(problem.name) / "unfinished",
        )
    folder = _write([found], place())
    if as_json:
        print(json.dumps(found.summary(), allow_nan=False))
    elif not quiet:
        console.print_run(found, str(folder))
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs of one problem.")],
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare several runs of one problem: table, picture, page."""
    from evo_ensyth import workspace
    from evo_ensyth.files import next_free
    from evo_ensyth.io.run_folder import read_run
    from evo_ensyth.report import console

    found = [read_run(folder) for folder in folders]
    folder = _write(found, out or next_free(workspace.results_folder(found[0].problem) / "report"), with_run=False)
    if as_json:
        print(json.dumps([run.summary() for run in found], allow_nan=False))
    elif not quiet:
        console.print_comparison(found, str(folder))


@app.command()
def pick(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    size: Annotated[int | None, typer.Option(min=1, help="The best ensemble of this many members.")] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(metavar="COST=X", help="The best one that costs no more, such as bytes=2e6; repeatable."),
    ] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The one farthest below the line between the ends.")] = False,
    within_one_standard_error: Annotated[
        bool,
        typer.Option("--within-one-standard-error", help="The smallest within one standard error of the best."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell of one ensemble of a run, chosen on the search split: the recommended one if no rule is given."""
    from evo_ensyth.io.run_folder import read_run
    from evo_ensyth.report import console
    from evo_ensyth.results import pick as picking

    limits = dict(picking.limit(text) for text in at_most or ())
    if sum((size is not None, bool(limits), knee, within_one_standard_error)) > 1:
        raise InputError("--size, --at-most, --knee and --within-one-standard-error are one rule each: give one.")
    found = read_run(folder)
    if size is not None:
        rule, index = f"the best of size {size}", picking.of_size(found, size)
    elif limits:
        rule, index = f"the best with at most {', '.join(at_most or ())}", picking.at_most(found, limits)
    elif knee:
        rule, index = "at the knee", picking.at_knee(found)
    elif within_one_standard_error:
        rule, index = "the smallest within one standard error", picking.within_one_standard_error(found)
    else:
        rule, index = "recommended", found.chosen
    if as_json:
        print(json.dumps(picking.summary(found, index, rule), allow_nan=False))
    else:
        console.print_pick(found, index, rule)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that the process was called with, and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name need not fit the terminal's encoding
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does. Python would complain of it once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = PIPE_CLOSED
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command and give its exit status. What is wrong with the input is said in one line, with status 2."""
    try:
        with build_extra():
            status = app(arguments or ["--help"], prog_name="evo_ensyth", standalone_mode=False)
    except UnfinishedError as error:
        return _complain(str(error), UNFINISHED)
    except EvoEnsythError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("stopped; nothing half-made is left, and what was finished is kept.", INTERRUPTED)
    except Exception as error:
        # Typer brings its own copy of click, whose usage errors can be told by what they offer.
        if not hasattr(error, "format_message"):
            raise
        return _complain(f"{error.format_message().rstrip('.')}. See --help.", 2)
    return status if isinstance(status, int) else 0


def _complain(message: str, status: int) -> int:
    print(f"evo_ensyth: {one_line(message)}", file=sys.stderr)
    return status


def _build_pool(name: str, quiet: bool) -> Path:
    from evo_ensyth import workspace
    from evo_ensyth.cli import progress

    with progress.pool_progress(quiet=quiet) as show:
        return workspace.build_pool(name, show)


def _write(found: "list[Run]", target: Path, *, with_run: bool = True) -> Path:
    """Write results into a new folder, whole or not at all."""
    from evo_ensyth.files import folder_written_whole
    from evo_ensyth.io.run_folder import write_run
    from evo_ensyth.report import write_report

    with folder_written_whole(target) as folder:
        if with_run:
            write_run(found[0], folder)
        write_report(found, folder)
    return target


@contextmanager
def _stopped_by_ctrl_c() -> "Iterator[Callable[[Evaluator], None]]":
    """Let the first Ctrl-C end the search and keep what it found; a second one ends the program."""
    running: list[Evaluator] = []

    def stop(signal_number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for evaluator in running:
            evaluator.budget.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield running.append
    finally:
        signal.signal(signal.SIGINT, before)
