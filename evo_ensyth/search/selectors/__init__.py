"""Ways to choose subsets, one file each.

A selector is a frozen dataclass, its fields are its settings, and it has ``select``: it proposes subsets to an
evaluator until it has no more, or until the evaluator ends the search by raising ``SearchOver``, which it lets pass. It
returns nothing: its front is whatever was best among all that it had judged. For example::

    import itertools
    from dataclasses import dataclass

    import numpy as np

    @dataclass(frozen=True)
    class Pairs:
        \"\"\"All pairs.\"\"\"

        def select(self, search, rng):
            for first, second in itertools.combinations(range(len(search.pool)), 2):
                subset = np.zeros((1, len(search.pool)), bool)
                subset[0, [first, second]] = True
                search.evaluate(subset)

A selector may be guided by another objective than the error: ``guide: ClassVar[str]`` names it. The user may choose
another.

The file's name is the selector's name; a dotted name such as ``mylab.tabu`` is imported from anywhere. Randomness comes
from ``rng`` alone.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from evo_ensyth import plugins
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
    return plugins.names(FOLDER)


def guide_of(selector: Selector) -> str:
    """Name of the objective that guides a selector instead of the error, unless the user chooses another."""
    return getattr(selector, "guide", "error")


def load(name: str, settings: Mapping[str, Any] | None = None) -> Selector:
    """Build a selector, by name, with settings other than its defaults.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with ``select``, or that knows no such
        setting.
    """
    selector: Selector = plugins.build(FOLDER, name, "selector", "select", settings)
    return selector


def named(selector: str | Selector) -> tuple[str, Selector]:
    """Name and instance of a selector, given either; an instance is named by the module that defines it.

    Raises
    ------
    InputError
        Neither a name nor a selector, or as for `load`.
    """
    if isinstance(selector, str):
        return selector, load(selector)
    if isinstance(selector, type) or not hasattr(selector, "select"):
        raise InputError(f"{selector!r} is no selector; give a name or an instance with a method 'select'.")
    return type(selector).__module__.rpartition(".")[2], selector
