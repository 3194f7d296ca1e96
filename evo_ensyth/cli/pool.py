"""The commands about pools: ``pool build``, ``status``, ``show``, ``measure`` and ``export``."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from evo_ensyth.cli.options import Json, Members, Missing, Out, Quiet, Scheduler, Trust, check_new_npz, say_notes
from evo_ensyth.cli.table_options import TableOptions, with_table_options
from evo_ensyth.errors import InputError, UnfinishedError

POOL_COMMANDS = ("build", "export", "measure", "show", "status")

Target = Annotated[
    str,
    typer.Argument(
        metavar="PROBLEM | FOLDER | FILE",
        help="A problem whose pool is built, a pool's folder, or a file or a folder of predictions.",
    ),
]
Problem = Annotated[str, typer.Argument(metavar="PROBLEM", help="The problem whose recipe makes the pool.")]

pool = typer.Typer(rich_markup_mode=None, help="Build pools and look at them.")


@pool.command()
def build(
    context: typer.Context,
    problem: Problem,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show which members there would be, and what they would take.")
    ] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="auto | cpu | cuda | cuda:1 | mps",
            help="Where networks are trained and run. 'auto' is the kind that the pool was begun on, or what is there.",
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that make members, 0 for this one alone. "
            "[default: as many as there are cores, or one for each card]",
        ),
    ] = None,
    without_failed: Annotated[
        bool, typer.Option("--without-failed", help="Finish the pool without members that cannot be made.")
    ] = False,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Continue a pool on another kind of device than it was begun on.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read all files first, and make again what is damaged.")
    ] = False,
    scheduler: Scheduler = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the parent and make the members; a second call continues where the first was interrupted."""
    from evo_ensyth import workspace
    from evo_ensyth.cli import progress
    from evo_ensyth.executors import connected
    from evo_ensyth.io import read_pool

    if dry_run:
        _print_plan(problem, device, workers, as_json=as_json, quiet=quiet)
        return
    executor = context.with_resource(connected(scheduler)) if scheduler else None
    try:
        with progress.pool_progress(quiet=quiet) as show:
            folder = workspace.build_pool(
                problem,
                show,
                device=device,
                workers=workers,
                without_failed=without_failed,
                allow_mixed=allow_mixed,
                repair=repair,
                executor=executor,
            )
    except UnfinishedError:
        if as_json:
            print(json.dumps(_status(problem)))
        raise
    made = read_pool(folder)
    test = made.pool.splits["test"]
    errors = test.member_errors / test.n_samples
    if as_json:
        print(
            json.dumps(
                {
                    "problem": made.problem,
                    "folder": str(folder),
                    "n_members": len(made.pool),
                    "members": list(made.pool.names),
                    "test_error": errors.tolist(),
                    "about": made.about,
                }
            )
        )
    elif quiet:
        print(folder)
    else:
        card = made.about.get("device", {}).get("card")
        where = "" if card is None else f", made on {card}"
        print(f"{folder}: {len(made.pool)} members, test errors {errors.min():.2%} to {errors.max():.2%}{where}")


@pool.command()
def status(problem: Problem, as_json: Json = False) -> None:
    """List which members are made, have failed, or are missing."""
    from evo_ensyth.report import pool_console

    found = _status(problem)
    if as_json:
        print(json.dumps(found))
    else:
        pool_console.print_status(**found)


@pool.command()
def measure(
    target: Annotated[
        str, typer.Argument(metavar="PROBLEM | FOLDER", help="A problem whose pool is built, or a pool's folder.")
    ],
    weights: Annotated[
        str, typer.Option(metavar="FORM", help="How files store weights: packed, plain or qdq; see 'export'.")
    ] = "packed",
    trust: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what members cost in onnxruntime: onnx_bytes, onnx_ms_1 and onnx_ms_100, for searches to minimise."""
    from evo_ensyth import workspace
    from evo_ensyth.deployment.costs import measure_pool
    from evo_ensyth.io.deployed import COSTS

    folder = workspace.pool_folder(target) if target in workspace.problem_names() else Path(target)
    progress = (lambda text: None) if quiet else (lambda text: say_notes([text]))
    found = measure_pool(folder, weights=weights, progress=progress, trust=trust)
    costs = {name: found.costs[name].tolist() for name in COSTS}
    if as_json:
        print(json.dumps({"folder": str(folder), "members": list(found.names), "costs": costs}))
    elif quiet:
        print(folder)
    else:
        ranges = ", ".join(f"{name} {min(values):,.6g} to {max(values):,.6g}" for name, values in costs.items())
        print(f"{folder}: {len(found)} members, {ranges}")


@pool.command()
@with_table_options
def show(
    target: Target,
    cost: Annotated[str | None, typer.Option(help="The cost to draw errors against. [default: bytes]")] = None,
    members: Members = None,
    *,
    table: TableOptions,
    missing: Missing = "refuse",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show a pool: its members by method, who disagrees with whom, and what each method offers at what cost."""
    from evo_ensyth import workspace
    from evo_ensyth.report import pool_console, write_pool_report
    from evo_ensyth.report.pool_facts import gather_pool

    stored = workspace.named_pool(
        target, columns=table.columns(members), test=table.test, missing=missing, trust=table.trust
    )
    say_notes(stored.pool.notes)
    facts = gather_pool(stored, cost)
    folder = out or workspace.results_folder(stored.problem) / "pool-shown"
    place = write_pool_report(facts, folder, numbered=out is None)
    if as_json:
        print(json.dumps({"folder": str(stored.folder), **facts.summary()}, allow_nan=False))
    elif quiet:
        print(place)
    else:
        pool_console.print_pool(facts, str(place))


@pool.command()
def export(
    target: Target,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, NAME.npz.")],
    scores: Annotated[bool, typer.Option("--scores", help="Write probabilities too, rounded to 21 levels.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write what the members answer and cost as a file of predictions, which 'search' reads."""
    from evo_ensyth import workspace
    from evo_ensyth.io import write_predictions

    check_new_npz(file)
    stored = workspace.named_pool(target)
    write_predictions(file, stored.pool, with_scores=scores)
    if as_json:
        print(json.dumps({"folder": str(stored.folder), "file": str(file), "n_members": len(stored.pool)}))
    elif not quiet:
        print(f"{file}: {len(stored.pool)} members, {file.stat().st_size:,} bytes")


def _print_plan(problem: str, device: str, workers: int | None, *, as_json: bool, quiet: bool) -> None:
    from evo_ensyth import workspace
    from evo_ensyth.cli import progress
    from evo_ensyth.report import pool_console

    planned = workspace.planned_members(problem)
    try:
        with progress.pool_progress(quiet=quiet) as show:
            estimate = dataclasses.asdict(workspace.pool_estimate(problem, show, device=device, workers=workers))
    except InputError as error:  # The members are known without the data.
        estimate = {"reason": str(error)}
    if as_json:
        print(json.dumps({"problem": problem, "n_members": len(planned), "members": planned, "estimate": estimate}))
    elif not quiet:
        pool_console.print_plan(planned, estimate)


def _status(problem: str) -> dict[str, Any]:
    from evo_ensyth import workspace

    found = workspace.pool_status(problem)
    return {
        "problem": problem,
        "folder": str(workspace.pool_folder(problem)),
        "closed": found.closed,
        "made": list(found.made),
        "failed": dict(found.failed),
        "missing": list(found.missing),
        "damaged": list(workspace.damaged_parts(problem)),
    }
