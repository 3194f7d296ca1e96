"""The command ``convert``: predictions of any form as one file of the documented form."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evo_ensyth.cli.options import Json, Members, SplitSeed, TestShare, check_new_npz, say_notes
from evo_ensyth.cli.table_options import TableOptions, with_table_options


@with_table_options
def convert(
    source: Annotated[
        str, typer.Argument(metavar="PROBLEM | FOLDER | FILE", help="What to convert: whatever 'search' can read.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A new file, NAME.npz.")],
    members: Members = None,
    *,
    table: TableOptions,
    test_share: TestShare = 0.5,
    split_seed: SplitSeed = 0,
    with_scores: Annotated[
        bool, typer.Option("--with-scores", help="Write probabilities too, rounded to 21 levels.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write predictions as one .npz file; missing answers stay missing."""
    from evo_ensyth import workspace
    from evo_ensyth.io import write_predictions

    check_new_npz(out)
    problem = workspace.load_problem(
        source,
        test_share=test_share,
        split_seed=split_seed,
        missing="abstain",
        columns=table.columns(members),
        test=table.test,
        trust=table.trust,
    )
    pool = problem.pool.part(members) if members else problem.pool
    say_notes(pool.notes)
    write_predictions(out, pool, with_scores=with_scores)
    if as_json:
        print(json.dumps({"file": str(out), "n_members": len(pool), "classes": list(pool.classes)}))
    else:
        sizes = ", ".join(f"{votes.n_samples:,} {split} samples" for split, votes in pool.splits.items())
        print(f"{out}: {len(pool)} members, {len(pool.classes)} classes, {sizes}, {out.stat().st_size:,} bytes")
