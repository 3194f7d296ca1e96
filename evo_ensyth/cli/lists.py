"""The command ``list``: what there is to choose from, one line each."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from evo_ensyth.cli.options import Json


class Kind(StrEnum):
    """Families of plug-ins, and problems."""

    SELECTORS = "selectors"
    OBJECTIVES = "objectives"
    VOTES = "votes"
    COMPRESSORS = "compressors"
    DATASETS = "datasets"
    NETWORKS = "networks"
    PROBLEMS = "problems"


FOLDERS = {
    Kind.SELECTORS: "evo_ensyth.selection.selectors",
    Kind.OBJECTIVES: "evo_ensyth.objectives",
    Kind.VOTES: "evo_ensyth.voting",
    Kind.COMPRESSORS: "evo_ensyth.synthesis.compression",
    Kind.DATASETS: "evo_ensyth.synthesis.datasets",
    Kind.NETWORKS: "evo_ensyth.synthesis.networks",
}


def list_plugins(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Json = False,
) -> None:
    """List what there is to choose from, with one line on each."""
    from evo_ensyth import plugins, workspace

    found = workspace.describe_problems() if kind is Kind.PROBLEMS else plugins.describe(FOLDERS[kind])
    if as_json:
        print(json.dumps(found))
        return
    width = max(map(len, found), default=0)
    for name, description in found.items():
        print(f"{name:{width}}  {description}")
