"""The command about runs that are there: ``runs list``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evo_ensyth.cli.options import Json, say_notes

runs = typer.Typer(rich_markup_mode=None, help="Look at the runs that are there.")


@runs.callback()
def _runs() -> None:
    """Keep ``list`` a command of its own; typer would take the only command for the group."""


@runs.command(name="list")
def list_(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="A folder of runs, of problems with runs, or of one run.")
    ] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List the runs below a folder by time: what was searched, how, and what came out."""
    from evo_ensyth import api
    from evo_ensyth.report import console

    found = api.list_runs(folder)
    if as_json:
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        console.print_register(found)
    say_notes([f"{place} cannot be read: {why}" for place, why in found.unread.items()])
    if found.others:
        say_notes([f"not runs: {', '.join(found.others)}"])
