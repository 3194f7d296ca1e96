"""The command ``convert``: predictions of any form as one file of the documented form."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evo_ensyth.cli.options import (
    Groups,
    Id,
    Json,
    Long,
    Members,
    ScoresAs,
    Test,
    TestFrom,
    Trust,
    Truth,
    Weights,
    say_notes,
)
from evo_ensyth.errors import InputError


def convert(
    source: Annotated[
        str, typer.Argument(metavar="PROBLEM | FOLDER | FILE", help="What to convert: whatever 'search' can read.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A new file, NAME.npz.")],
    truth: Truth = None,
    members: Members = None,
    id: Id = None,
    groups: Groups = None,
    weights: Weights = None,
    long: Long = None,
    scores: ScoresAs = None,
    test: Test = None,
    test_from: TestFrom = None,
    test_share: Annotated[
        float, typer.Option(help="Share of the samples to test on, for a file that is not split.")
    ] = 0.5,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of that split.")] = 0,
    with_scores: Annotated[
        bool, typer.Option("--with-scores", help="Write probabilities too, rounded to 21 levels.")
    ] = False,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Write predictions as one .npz file; missing answers stay missing."""
    from evo_ensyth import workspace
    from evo_ensyth.io import write_predictions
    from evo_ensyth.pool.tables import table_columns

    if out.suffix != ".npz":
        raise InputError(f"{out} does not end with .npz; name it so.")
    if out.exists():
        raise InputError(f"{out} is there already; remove it, or name another file.")
    problem = workspace.load_problem(
        source,
        test_share=test_share,
        split_seed=split_seed,
        missing="abstain",
        columns=table_columns(truth, members or (), id, groups, long, scores, test_from, weights),
        test=test,
        trust=trust,
    )
    pool = problem.pool.part(members) if members else problem.pool
    say_notes(pool.notes)
    write_predictions(out, pool, with_scores=with_scores)
    if as_json:
        print(json.dumps({"file": str(out), "n_members": len(pool), "classes": list(pool.classes)}))
    else:
        sizes = ", ".join(f"{votes.n_samples:,} {split} samples" for split, votes in pool.splits.items())
        print(f"{out}: {len(pool)} members, {len(pool.classes)} classes, {sizes}, {out.stat().st_size:,} bytes")
