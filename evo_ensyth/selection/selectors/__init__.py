"""Ways to choose subsets, one file each.

A selector is a frozen dataclass; its fields are its settings. Its method ``select`` proposes subsets to an `Evaluator`
until it has no more, or until the evaluator ends the search by raising ``SearchOver``, which it lets pass. It returns
nothing: its front is whatever was best among all that it had evaluated. Randomness comes from ``rng`` alone. For
example::

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

`Evaluator` says what a selector may ask: ``evaluate`` gives values and constraint violations, ``neighbour_values`` what
one step would do; ``budget`` and ``archive`` say how far the search is. A setting declares its limits with
`evo_ensyth.plugins.setting`. A selector may be guided by another objective than the error: ``guide: ClassVar[str]``
names it, and the user may choose another.

The file's name is the selector's name: ``nsga2``. Its class is an attribute here: ``selectors.NSGA2(population=50)``. A
dotted name such as ``mylab.tabu`` is imported from anywhere.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.selection.evaluator import Evaluator

FOLDER = "evo_ensyth.selection.selectors"


class Selector(Protocol):
    """A way to choose subsets, with its settings."""

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Have subsets judged."""
        ...


def names() -> tuple[str, ...]:
    """Names of the selectors that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One line about each selector that comes with the package, by name."""
    return plugins.describe(FOLDER)


def load(wanted: "str | Selector | type[Selector]", settings: Mapping[str, Any] | None = None) -> Selector:
    """Make a selector from its name or its class; an instance comes back as it is.

    Parameters
    ----------
    wanted : str, class or instance
        A name of `names`, or a dotted name such as ``mylab.tabu``.
    settings : mapping, optional
        Settings other than the defaults, for a name or a class.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with ``select``, the class knows no such
        setting or not with that value, or what is wanted is no selector.
    """
    selector: Selector = plugins.make(FOLDER, wanted, "selector", "select", settings)
    return selector


def name_of(selector: Selector) -> str:
    """Name of a selector: that of its file if it comes with the package, otherwise that of its class."""
    folder, _, file = type(selector).__module__.rpartition(".")
    return file if folder.startswith(f"{FOLDER}.") else type(selector).__name__


def named(wanted: "str | Selector | type[Selector]") -> tuple[str, Selector]:
    """Name and instance of a selector; parameters and errors as for `load`."""
    selector = load(wanted)
    return wanted if isinstance(wanted, str) else name_of(selector), selector


def guide_of(selector: Selector) -> str:
    """Name of the objective that guides a selector instead of the error, unless the user chooses another."""
    return getattr(selector, "guide", "error")


def __getattr__(name: str) -> Any:
    """Find the class of a selector, `NSGA2` in ``nsga2.py``, when it is first asked for."""
    return plugins.class_of(FOLDER, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.class_names(FOLDER)})
