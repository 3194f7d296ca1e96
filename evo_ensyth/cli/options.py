"""Options and arguments that several commands have, and how limits are written."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from evo_ensyth.errors import InputError, one_line

Out = Annotated[Path | None, typer.Option(help="A new folder for the results. [default: one under runs/]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no table, only the folder of the results.")]
Truth = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Of a table: the column of the true classes. [default: truth]")
]
Members = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only members whose names match, such as 'net_trim-*'; repeatable."),
]
Id = Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="What identifies a sample. [default: id]")]
Groups = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Groups of samples. [default: groups, if there is one]")
]
Weights = Annotated[str | None, typer.Option("--weights", metavar="COLUMN", hidden=True)]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Open a folder of your own that runs code when opened, such as AutoGluon's."),
]
Long = Annotated[
    str | None,
    typer.Option(metavar="SAMPLE,MEMBER,LABEL", help="Columns of a table with a row for each answer."),
]
ScoresAs = Annotated[
    str | None, typer.Option("--scores", metavar="NAME__CLASS", help="How columns of scores are called.")
]
Test = Annotated[Path | None, typer.Option(metavar="FILE", help="A table of the test split.")]
TestFrom = Annotated[
    str | None, typer.Option(metavar="COLUMN=VALUE", help="Which rows are the test split, such as fold=5.")
]
WriteSubmission = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Of a Kaggle folder: write the submission of the ensemble, NAME.csv."),
]
AtMost = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A hard limit, such as bytes=2e6; repeatable.")
]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Likewise, such as accuracy=0.9 or recall_of_class_3=0.9; repeatable."),
]


def limits(texts: Sequence[str] | None) -> dict[str, float]:
    """Limits by name, from ``NAME=VALUE``.

    Raises
    ------
    InputError
        A text of another form, a value that is no number, or a name twice.
    """
    found: dict[str, float] = {}
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not name or math.isnan(number):
            raise InputError(f"'{text}' is no limit; write NAME=VALUE, such as n_members=5.")
        if name in found:
            raise InputError(f"'{name}' is limited twice; once is enough.")
        found[name] = number
    return found


def say_notes(notes: Sequence[str]) -> None:
    """Print what to know about how predictions were read, on standard error."""
    for note in notes:
        print(f"evo_ensyth: {one_line(note)}", file=sys.stderr)
