"""The searches of `generalisation.py`, as workers do them: one after another, each pool read once."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paired import Record
from unseen import Method, played, read

PLAIN = ":plain"
IN_FULL = "@error+plurality:lowest/lowest_error"


@dataclass(frozen=True)
class Task:
    """One requested search; its key is a digest of what determines its result."""

    key: str
    path: Path
    n_search: int
    repeat: int
    method: str
    budget: int
    seed: int
    folds: int


def searched(tasks: Sequence[Task]) -> Iterator[Record]:
    """What came out of each search."""
    for task in tasks:
        how = {"budget": task.budget, "seed": task.seed, "n_folds": task.folds}
        yield played(_read_once(task.path), task.n_search, task.repeat, method(task.method), **how)


def method(name: str) -> Method:
    """The method of a name, which may be short."""
    return Method(name.replace(PLAIN, IN_FULL))


_read_once = functools.cache(read)
