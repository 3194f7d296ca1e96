"""Options and arguments that several commands have, and how limits are written."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from evo_ensyth.errors import InputError, one_line

Out = Annotated[Path | None, typer.Option(help="A new folder for the results. [default: one under runs/]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no table, only the folder of the results.")]
Members = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only members whose names match, such as 'net_trim-*'; repeatable."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="local:N | tcp://HOST:PORT | file:JSON",
        help="Divide the work among N processes here, or the workers of a Dask scheduler. The result is the same.",
    ),
]
TestShare = Annotated[float, typer.Option(help="Share of the samples to test on, for a file that is not split.")]
SplitSeed = Annotated[int, typer.Option(min=0, help="Seed of that split.")]
Missing = Annotated[
    str,
    typer.Option(
        metavar="POLICY", help="What to do about missing answers: refuse, abstain, drop-members=0.1 or drop-samples."
    ),
]
WriteSubmission = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Of a Kaggle folder: write the submission of the ensemble, NAME.csv."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that the pool names, such as a network of your own: the pool is yours."),
]
AtMost = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A hard limit, such as bytes=2e6; repeatable.")
]
AtLeast = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Likewise, such as accuracy=0.9 or recall_of_class_3=0.9; repeatable."),
]

Size = Annotated[int | None, typer.Option(min=1, help="The best ensemble of this many members.")]
AtMostCosts = Annotated[
    list[str] | None,
    typer.Option("--at-most", metavar="COST=X", help="The best one that costs no more, such as bytes=2e6; repeatable."),
]
Knee = Annotated[bool, typer.Option("--knee", help="The one farthest below the line between the ends.")]
WithinOneStandardError = Annotated[
    bool, typer.Option("--within-one-standard-error", help="The smallest within one standard error of the best.")
]


class PickRule(TypedDict):
    """Which ensemble of a front to take; see `evo_ensyth.results.pick.pick`."""

    size: int | None
    at_most: dict[str, float]
    rule: str | None


def pick_rule(size: int | None, at_most: list[str] | None, knee: bool, within_one_standard_error: bool) -> PickRule:
    """Which ensemble of a front these options ask for.

    Raises
    ------
    InputError
        More than one rule, or a limit that is none.
    """
    most = limits(at_most)
    if sum((size is not None, bool(most), knee, within_one_standard_error)) > 1:
        raise InputError("--size, --at-most, --knee and --within-one-standard-error are one rule each: give one.")
    rule = "knee" if knee else "one_standard_error" if within_one_standard_error else None
    return {"size": size, "at_most": most, "rule": rule}


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


def check_new_npz(file: Path) -> None:
    """Check that predictions can be written to a file of this name.

    Raises
    ------
    InputError
        It does not end with .npz, or is there already.
    """
    if file.suffix != ".npz":
        raise InputError(f"{file} does not end with .npz, by which 'search' knows predictions; name it so.")
    if file.exists():
        raise InputError(f"{file} is there already; remove it, or name another file.")


def say_notes(notes: Sequence[str]) -> None:
    """Print what to know about how predictions were read, on standard error."""
    for note in notes:
        print(f"evo_ensyth: {one_line(note)}", file=sys.stderr)
