"""What is odd about the members of a pool: constant answers, duplicates, and members worse than chance."""

from collections.abc import Sequence

import numpy as np

from evo_ensyth.pool.pool import Pool

NAMED = 3


def remarks(pool: Pool) -> list[str]:
    """Say which members give one answer to everything, answer like an earlier member, or are worse than chance.

    Constants and chance are judged on the search split, duplicates on all splits. Chance is the error of drawing one of
    the classes for each sample.
    """
    search, names = pool.search, pool.names
    constant = [names[i] for i, row in enumerate(search.y_pred) if (row == row[0]).all()]
    first: dict[bytes, str] = {}
    twins = []
    for i, name in enumerate(names):
        answers = b"".join(votes.y_pred[i].tobytes() for votes in pool.splits.values())
        if first.setdefault(answers, name) != name:
            twins.append(f"{name} (like {first[answers]})")
    chance = 1 - 1 / search.n_classes
    poor = [names[i] for i in np.flatnonzero(search.member_errors > chance * search.n_samples)]
    found = []
    for what, members in (
        ("with one answer for every sample", constant),
        ("with the answers of an earlier one", twins),
        (f"worse than chance, {chance:.1%} errors", poor),
    ):
        if members:
            found.append(f"{len(members)} {'member' if len(members) == 1 else 'members'} {what}: {_listed(members)}")
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + ", ..." * (len(names) > NAMED)
