"""Consent to code: what a pool's folder names is imported and called only if the user has said that it may be.

A folder may come from anybody, and a name in it can lead to any function, or to a file in the current folder. Networks
of this package are free, and so are functions of recipes that this process has built pools by.
"""

from pathlib import Path
from typing import Any

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.own_data import OwnData
from evo_ensyth.synthesis.own_network import OwnNetwork
from evo_ensyth.synthesis.recipe import Recipe
from evo_ensyth.synthesis.settings import as_json

_HANDED_OVER: set[str] = set()


def hand_over(recipe: Recipe) -> None:
    """Remember the names of a recipe's functions: its user handed them over, so pools may name them in this process."""
    functions: list[Any] = [recipe.dataset.prepare] if isinstance(recipe.dataset, OwnData) else []
    for network in (recipe.network, *(parent.network for parent in recipe.parents)):
        functions += [network.build, network.forward] if isinstance(network, OwnNetwork) else [network]
    _HANDED_OVER.update(name for name in map(as_json, functions) if isinstance(name, str))


def named(name: str, what: str, path: Path, field: str, *, trust: bool) -> Any:
    """Import what a pool's folder names.

    Parameters
    ----------
    name : str
        A dotted name.
    what : str
        What it should be, such as ``network``.
    path : Path
    field : str
        Where the name is: the file, and the field in it.
    trust : bool
        Whether the user says that this code may run.

    Raises
    ------
    InputError
        The user did not consent, or nothing of that name can be imported.
    """
    if not (trust or name in _HANDED_OVER):
        raise InputError(
            f"{path}: field '{field}' names '{name}', and loading a member runs that code; if the pool is yours, say "
            "so with --trust (in Python, trust=True)."
        )
    return plugins.imported(name, what)


def is_free(name: str) -> bool:
    """Whether a name is that of a network of this package, or of the function that builds one."""
    inside = f"{networks.__name__}."
    short = name.removeprefix(inside).removesuffix(".build") if name.startswith(inside) else name
    return short in networks.names()
