"""The commands about runs: ``search``, ``compare``, ``pick``."""

import json
import signal
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evo_ensyth.cli.options import (
    AtLeast,
    AtMost,
    AtMostCosts,
    Json,
    Knee,
    Members,
    Missing,
    Out,
    Quiet,
    Scheduler,
    Size,
    SplitSeed,
    TestShare,
    WithinOneStandardError,
    WriteSubmission,
    limits,
    pick_rule,
    say_notes,
)
from evo_ensyth.cli.table_options import TableOptions, with_table_options
from evo_ensyth.errors import InputError

if TYPE_CHECKING:
    from evo_ensyth.results.run import Run
    from evo_ensyth.voting import VoteRule

NOT_WRITTEN = 3

Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same front.")]


@with_table_options
def search(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="[PROBLEM | FOLDER | FILE]",
            help="A problem, a pool, a file of predictions (.npz, .csv, .parquet, ...), or a folder of them.",
        ),
    ] = "digits",
    selector: Annotated[str, typer.Option(metavar="NAME", help="How to search; 'list selectors' shows all.")] = "nsga2",
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A selector to compare with; repeatable. [default: backward_elimination]"),
    ] = None,
    members: Members = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="What to minimise, separated by commas. [default: smoothed_error,n_members]"
        ),
    ] = None,
    at_most: AtMost = None,
    at_least: AtLeast = None,
    vote: Annotated[
        str | None, typer.Option(metavar="NAME", help="How members vote; 'list votes' shows all. [default: plurality]")
    ] = None,
    ties: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="What breaks ties of plurality: scores, log_odds or lowest. [default: auto]"),
    ] = None,
    temper: Annotated[
        bool | None,
        typer.Option("--temper/--no-temper", help="Temper probabilities before they are added. [default: temper]"),
    ] = None,
    recommend: Annotated[
        str, typer.Option(metavar="RULE", help="size-rule, or lowest-error on the search split.")
    ] = "size-rule",
    folds: Annotated[
        int, typer.Option(min=0, help="Folds of the nested estimate of the error on unseen samples; 0 for none.")
    ] = 10,
    budget: Annotated[int | None, typer.Option(min=1, help="Ensembles that each selector may judge.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Time that each selector may take.")] = None,
    patience: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of --budget or --seconds that may pass without a gain; 0 for all."),
    ] = 0.5,
    max_size: Annotated[
        int | None, typer.Option(min=1, help="Largest ensembles to look at, for selectors that know it, such as exact.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="cpu | cuda", help="Where exact enumerates: cuda is a graphics card. [default: cpu]"),
    ] = None,
    seed: Seed = 1,
    *,
    table: TableOptions,
    test_share: TestShare = 0.5,
    split_seed: SplitSeed = 0,
    splits: Annotated[
        int,
        typer.Option(min=1, help="Random splits to search, by this seed and those after it; the first gives the run."),
    ] = 1,
    missing: Missing = "refuse",
    scheduler: Scheduler = None,
    write_submission: WriteSubmission = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show all ensembles of the front, not ten at most.")] = False,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Search for the best trade-offs between error and cost."""
    from evo_ensyth import api, workspace
    from evo_ensyth.cli import progress
    from evo_ensyth.executors import connected
    from evo_ensyth.files import check_new_folder, next_free
    from evo_ensyth.io.submission import Submission
    from evo_ensyth.report import console
    from evo_ensyth.selection import selectors
    from evo_ensyth.selection.interruption import SIGNALLED, Interruption, heeded
    from evo_ensyth.selection.scratch import Scratch

    # Whatever can be wrong is found before a pool is built or a search begins: both may take hours.
    settings = {"max_size": max_size, "device": device}
    chosen = selectors.load(selector, {name: value for name, value in settings.items() if value is not None})
    baselines = ["backward_elimination"] if baseline is None else baseline
    for name in baselines:
        selectors.load(name)
    rule = _vote(vote, ties=ties, temper=temper)
    if scheduler and splits == 1 and "exact" not in (selector, *baselines):
        raise InputError("--scheduler divides the proof of 'exact' and the searches of --splits; here is neither.")
    most, least = limits(at_most), limits(at_least)
    goals = None if objectives is None else [name.strip() for name in objectives.split(",")]
    if out is not None:
        check_new_folder(out)
    columns = table.columns(members)
    executor = context.with_resource(connected(scheduler)) if scheduler else None
    submission = write_submission and Submission(write_submission, Path(target), columns)
    problem = workspace.load_problem(
        target,
        test_share=test_share,
        split_seed=split_seed,
        missing=missing,
        columns=columns,
        test=table.test,
        trust=table.trust,
        build=lambda name: _build_pool(name, quiet),
    )
    say_notes(problem.pool.notes)
    if submission:
        submission.check(problem.pool.classes)
    place = out or workspace.results_folder(problem.name) / f"{selector}-seed{seed}"
    check_new_folder(out or next_free(place))
    scratch = Scratch(workspace.results_folder(problem.name) / "unfinished")
    with progress.search_progress(quiet=quiet) as show:
        run = api.search(
            problem,
            goals,
            selector=selector if max_size is None else chosen,
            baselines=baselines,
            budget=budget,
            seconds=seconds,
            patience=patience,
            seed=seed,
            members=members,
            at_most=most,
            at_least=least,
            vote=rule,
            recommend=recommend.replace("-", "_"),
            n_folds=folds,
            splits=splits,
            on_progress=show,
            scratch=scratch,
            executor=executor,
            command=context.obj or "Python",
        )
    # A signal that comes only now waits until what was found is safe; a second one does not.
    with heeded(Interruption()) if not run.interrupted else nullcontext(Interruption()) as late:
        folder, as_asked = _saved(run, place, numbered=out is None)
        if folder is not None:
            scratch.clear()
        if as_json:
            print(json.dumps(run.to_dict() | {"folder": folder and str(folder)}, allow_nan=False))
        elif not quiet:
            console.print_run(run, folder, everything=show_all)
        elif folder is not None:
            print(folder)
        if submission:
            submission.write(run.recommended)
            say_notes([f"the submission of the recommended ensemble is written to {write_submission}"])
    interrupted_by = run.interrupted_by or late.by
    if interrupted_by:
        raise typer.Exit(SIGNALLED + signal.Signals[interrupted_by])
    if not as_asked:
        raise typer.Exit(NOT_WRITTEN)


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs of one problem.")],
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare several runs of one problem: table, picture, page."""
    from evo_ensyth import api, workspace
    from evo_ensyth.report import console

    comparison = api.compare(folders)
    place = out or workspace.results_folder(comparison.runs[0].problem) / "comparison"
    folder = comparison.save(place, numbered=out is None)
    if as_json:
        print(json.dumps(comparison.to_dict(), allow_nan=False))
    elif quiet:
        print(folder)
    else:
        console.print_comparison(comparison.runs, folder)


def pick(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    size: Size = None,
    at_most: AtMostCosts = None,
    knee: Knee = False,
    within_one_standard_error: WithinOneStandardError = False,
    write_submission: WriteSubmission = None,
    as_json: Json = False,
) -> None:
    """Show the recommended ensemble of a run, or another one. Rules look at the search split alone."""
    from evo_ensyth import api
    from evo_ensyth.report import console
    from evo_ensyth.results.pick import pick_in_words

    rule = pick_rule(size, at_most, knee, within_one_standard_error)
    run = api.read_run(folder)
    ensemble, picked_by = run.pick(**rule), pick_in_words(**rule)
    if write_submission:
        source = run.source
        if source.get("kind") != "kaggle":
            raise InputError(f"{folder} is a run on something else than a Kaggle folder, so there is no submission.")
        api.write_submission(ensemble, source["path"], write_submission, id=source["columns"].get("id"))
        say_notes([f"its submission is written to {write_submission}"])
    most = rule["at_most"]
    unasked = [cost for cost in most if cost not in run.objectives and cost not in run.constraints.get("at_most", {})]
    if unasked:
        goals = ",".join((*run.objectives, *unasked))
        say_notes(
            [
                f"{', '.join(unasked)} was not minimised, so cheaper ensembles may exist: search with "
                f"--objectives {goals}."
            ]
        )
    if as_json:
        about = {"problem": run.problem, "selector": run.front.selector, "seed": run.seed}
        print(json.dumps({**about, "rule": picked_by, "vote": run.vote, **ensemble.to_dict()}, allow_nan=False))
    else:
        console.print_pick(run, ensemble, picked_by)


def _saved(run: "Run", place: Path, *, numbered: bool) -> tuple[Path | None, bool]:
    """Write a run, and say so if it has to be elsewhere; return its folder, if any, and whether it is as asked for."""
    try:
        return run.save(place, numbered=numbered), True
    except (InputError, OSError) as error:
        say_notes([str(error)])
    for parent in (lambda: place.parent, tempfile.gettempdir):
        with suppress(InputError, OSError):
            elsewhere = Path(parent())
            name = place.name if elsewhere == place.parent else f"evo-ensyth-{place.name}"
            folder = run.save(elsewhere / name, numbered=True)
            say_notes([f"what was found is in {folder} instead."])
            return folder, False
    say_notes(["what was found is written nowhere; only what is printed is left of it."])
    return None, False


def _vote(vote: str | None, **settings: str | bool | None) -> "VoteRule | None":
    from evo_ensyth import voting

    given = {name: value for name, value in settings.items() if value is not None}
    return None if vote is None and not given else voting.load(vote or "plurality", given)


def _build_pool(name: str, quiet: bool) -> None:
    from evo_ensyth import api
    from evo_ensyth.cli import progress

    with progress.pool_progress(quiet=quiet) as show:
        api.build_pool(name, on_progress=show)
