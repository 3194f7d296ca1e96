"""Ways to choose subsets, one file each.

A selector is a frozen dataclass whose fields are its settings. Its method ``select`` passes subsets to an `Evaluator`
until it has no more, or until the evaluator ends the search by raising ``SearchOver``, which the selector does not
catch. It returns nothing: its front consists of the non-dominated subsets among all it evaluated. ``rng`` is its only
source of randomness. For example::

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

`Evaluator` documents what a selector may call: ``evaluate`` returns values and constraint violations,
``neighbour_values`` the value of the leading objective after each possible step; ``budget`` and ``archive`` describe
the state of the search. Settings declare their limits with `evo_ensyth.plugins.setting`. A selector that is made for
certain objectives or a certain vote rule names them in the class variables ``objectives`` and ``vote``, which apply
where the user names none.

A selector is named after its file: ``nsga2``. Its class is an attribute of this package:
``selectors.NSGA2(population=50)``. A dotted name such as ``mylab.tabu`` is imported from anywhere.
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
        """Pass subsets to ``search`` for evaluation."""
        ...


def names() -> tuple[str, ...]:
    """Names of the selectors that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One-line description of each selector that comes with the package, by name."""
    return plugins.describe(FOLDER)


def load(wanted: "str | Selector | type[Selector]", settings: Mapping[str, Any] | None = None) -> Selector:
    """Create a selector from its name or its class; an instance is returned unchanged.

    Parameters
    ----------
    wanted : str, class or instance
        A name of `names`, or a dotted name such as ``mylab.tabu``.
    settings : mapping, optional
        Settings other than the defaults, for a name or a class.

    Raises
    ------
    InputError
        Unknown name, a module that does not have exactly one class with ``select``, an unknown setting or a value that
        it does not allow, or an object that is not a selector.
    """
    selector: Selector = plugins.make(FOLDER, wanted, "selector", "select", settings)
    return selector


def name_of(selector: Selector) -> str:
    """Name of a selector: the name of its file if it comes with the package, otherwise of its class."""
    folder, _, file = type(selector).__module__.rpartition(".")
    return file if folder.startswith(f"{FOLDER}.") else type(selector).__name__


def named(wanted: "str | Selector | type[Selector]") -> tuple[str, Selector]:
    """Name and instance of a selector; parameters and errors as for `load`."""
    selector = load(wanted)
    return wanted if isinstance(wanted, str) else name_of(selector), selector


def __getattr__(name: str) -> Any:
    """Import the class of a selector on first access: `NSGA2` from ``nsga2.py``."""
    return plugins.class_of(FOLDER, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *plugins.class_names(FOLDER)})
