"""Ways to choose subsets, one file each.

A selector is a frozen dataclass, its fields are its settings, and it has ``select``: it proposes subsets to an
evaluator until it has no more, or until the evaluator ends the search by raising ``SearchOver``, which it lets pass. It
returns nothing: its front is whatever was best among all that it had judged. For example::

    @dataclass(frozen=True)
    class Pairs:
        \"\"\"All pairs.\"\"\"

        def select(self, search, rng):
            for first, second in itertools.combinations(range(len(search.pool)), 2):
                subset = np.zeros((1, len(search.pool)), bool)
                subset[0, [first, second]] = True
                search.evaluate(subset)

What it is led by may take the error's place among the objectives: ``criterion: ClassVar[str]`` names the objective
that does so unless the user wants another.

The file's name is the selector's name; a dotted name such as ``mylab.tabu`` is imported from anywhere. Randomness comes
from ``rng`` alone.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

import numpy as np

from evo_ensyth import catalogue
from evo_ensyth.errors import InputError
from evo_ensyth.search.evaluator import Evaluator

FOLDER = "evo_ensyth.search.selectors"


class Selector(Protocol):
    """A way to choose subsets, with its settings."""

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Have subsets judged."""
        ...


def names() -> tuple[str, ...]:
    """Names of the selectors that come with the package."""
    return catalogue.names(FOLDER)


def criterion(selector: Selector) -> str:
    """Name of the objective that leads a selector in the place of the error, unless the user wants another."""
    return getattr(selector, "criterion", "error")


def load(name: str, settings: Mapping[str, Any] | None = None) -> Selector:
    """Build a selector, by name, with settings other than its defaults.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with ``select``, or that knows no such
        setting.
    """
    module = catalogue.load(FOLDER, name, "selector")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "select")
    ]
    if len(found) != 1:
        raise InputError(f"{module.__name__} has {len(found)} classes with a method 'select'; a selector has one.")
    known = [field.name for field in fields(found[0])] if is_dataclass(found[0]) else []
    for setting in settings or {}:
        if setting not in known:
            raise InputError(f"selector '{name}' has no setting '{setting}'; it has {', '.join(known) or 'none'}.")
    selector: Selector = found[0](**(settings or {}))
    return selector
