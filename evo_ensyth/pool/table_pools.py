"""A pool of one table, or of a table for each split."""

from dataclasses import replace
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.answers import Part, random_split, votes_of, with_group_codes
from evo_ensyth.pool.classes import LabelCodes
from evo_ensyth.pool.long_tables import pivoted
from evo_ensyth.pool.members import Members
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.table import Table
from evo_ensyth.pool.tables import Columns, TableAnswers, read_table


def pool_of(
    table: Table, columns: Columns, test: Table | None = None, *, test_share: float = 0.5, split_seed: int = 0
) -> Pool:
    """Make a pool of a table, with all its missing answers.

    Parameters
    ----------
    table : Table
        Of the search split, or of all samples.
    columns : Columns
    test : Table, optional
        Of the test split, with the same columns.
    test_share, split_seed
        Of a random split, where neither a table nor a column gives the test split; see `answers.random_split`.

    Raises
    ------
    InputError
        The table cannot be read so; the message names the table and the column.
    """
    codes = LabelCodes(rows=True)
    found = read_table(*_wide(table, columns), codes)
    source: dict[str, Any] = {"columns": columns.told} if columns.told else {}
    notes: list[str] = []
    parts: dict[str, Part]
    if test is not None:
        if found.is_test is not None:
            raise InputError("the test split is given twice, as a table and by a column; give one.")
        held_out = read_table(*_wide(test, columns), codes, found.names)
        if (held_out.n_columns, held_out.classes) != (found.n_columns, found.classes):
            raise InputError(f"{test.name}: the columns of scores are not those of {table.name}.")
        notes = _about_ids(found, held_out, test.name)
        both = with_group_codes(
            {f"{table.name}: groups": found.answers, f"{test.name}: groups in the test split": held_out.answers}
        )
        parts = {split: (answers, slice(None)) for split, answers in zip(("search", "test"), both, strict=True)}
        source["test"] = test.name
    elif found.is_test is not None:
        (everything,) = with_group_codes({f"{table.name}: groups": found.answers})
        parts = {
            "search": (everything, np.flatnonzero(~found.is_test)),
            "test": (everything, np.flatnonzero(found.is_test)),
        }
    else:
        (everything,) = with_group_codes({f"{table.name}: groups": found.answers})
        parts, split = random_split(everything, codes, test_share, split_seed)
        source |= split
    try:
        votes, _, about = votes_of(parts, codes, found.n_columns, found.classes)
    except InputError as error:
        raise InputError(f"{table.name}: {error}") from error
    if notes + about:
        source["notes"] = notes + about
    return Pool(Members(found.names), votes["search"], votes.get("test"), source=source)


def _wide(table: Table, columns: Columns) -> tuple[Table, Columns]:
    if columns.long is None:
        return table, columns
    sample, member, label = columns.long
    wide = pivoted(table, sample, member, label)
    if columns.truth in wide.columns and wide.candidates is not None:
        wide = replace(wide, candidates=tuple(name for name in wide.candidates if name != columns.truth))
    return wide, replace(columns, id=columns.id or sample)


def _about_ids(search: TableAnswers, test: TableAnswers, name: str) -> list[str]:
    if search.ids is None or test.ids is None:
        return []
    both = set(search.ids.tolist()) & set(test.ids.tolist())
    if not both:
        return []
    one = next(value for value in search.ids.tolist() if value in both)
    return [f"{len(both):,} samples, such as '{one}', are in both splits; {name} should hold others."]
