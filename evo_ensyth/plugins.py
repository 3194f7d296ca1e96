"""Plug-ins by file name: a folder, with the folders in it, lists what there is, so one new file is one new method."""

import ast
import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from evo_ensyth.errors import InputError


def names(folder: str) -> tuple[str, ...]:
    """Names of the plug-ins in a package, sorted. A leading underscore marks a file that is no plug-in.

    Parameters
    ----------
    folder : str
        Dotted name of the package, such as ``evo_ensyth.search.selectors``.
    """
    return tuple(sorted(_places(folder)))


def describe(folder: str) -> dict[str, str]:
    """Name of each plug-in in a package, and the first line of its module's docstring. Nothing is imported."""
    places = _places(folder)
    found = {}
    for name in sorted(places):
        spec = importlib.util.find_spec(places[name])
        assert spec is not None
        assert spec.origin is not None
        found[name] = first_line(Path(spec.origin))
    return found


def first_line(path: Path) -> str:
    """First line of the docstring of a Python file; empty if it has none, or is no Python."""
    try:
        docstring = ast.get_docstring(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return ""
    return (docstring or "").partition("\n")[0]


def load(folder: str, name: str, what: str) -> ModuleType:
    """Module of one plug-in; a dotted name is imported as it stands, so that a plug-in may live anywhere.

    Raises
    ------
    InputError
        There is no such plug-in, with a list of those there are and the nearest one; or it cannot be imported.
    """
    if "." in name:
        return imported(name, what)
    places = _places(folder)
    if name not in places:
        raise unknown(what, name, places)
    return importlib.import_module(places[name])


def imported(name: str, what: str) -> ModuleType:
    """Import a module of somebody's own by its dotted name.

    Raises
    ------
    InputError
        There is none, or importing it fails.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"no {what} called '{name}'; the dotted name of a module was expected.")
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever somebody's module may raise
        raise InputError(f"no {what} called '{name}' can be imported: {type(error).__name__}: {error}.") from error


def only(module: ModuleType, kind: type) -> Any:
    """The one public instance of ``kind`` that a module defines.

    Raises
    ------
    InputError
        The module has none, or several.
    """
    found = [value for name, value in vars(module).items() if name[0] != "_" and isinstance(value, kind)]
    if len(found) != 1:
        raise InputError(f"{module.__name__} has {len(found)} of {kind.__name__}; a plug-in has exactly one.")
    return found[0]


def build(folder: str, name: str, what: str, method: str, settings: Mapping[str, Any] | None = None) -> Any:
    """Make the one plug-in class of a module, with settings other than its defaults.

    Parameters
    ----------
    folder, name, what : str
        As for `load`.
    method : str
        The method by which the class is known among others in its module.
    settings : mapping, optional
        Fields of that class, if it is a dataclass.

    Raises
    ------
    InputError
        There is none of that name, its module does not have exactly one class with the method, or that knows no such
        setting.
    """
    module = load(folder, name, what)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, method)
    ]
    if len(found) != 1:
        raise InputError(f"{module.__name__} has {len(found)} classes with a method '{method}'; a {what} has one.")
    known = [field.name for field in fields(found[0])] if is_dataclass(found[0]) else []
    for setting in settings or {}:
        if setting not in known:
            raise InputError(f"{what} '{name}' has no setting '{setting}'; it has {', '.join(known) or 'none'}.")
    return found[0](**(settings or {}))


def _places(folder: str) -> dict[str, str]:
    """Dotted name of each plug-in in a package and in the packages in it, by its file's name."""
    places: dict[str, str] = {}
    for module in pkgutil.iter_modules(importlib.import_module(folder).__path__, f"{folder}."):
        name = module.name.rpartition(".")[2]
        if name[0] != "_":
            places |= _places(module.name) if module.ispkg else {name: module.name}
    return places


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for a name that does not exist: the nearest that does, and all of them."""
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
    return InputError(f"no {what} called '{name}'.{hint} There is {', '.join(known) or 'none at all'}.")


def renderer(name: str) -> ModuleType:
    """Module of ``evo_ensyth.report`` that shows results.

    Results know how they can be shown only by name, as plug-ins are known: so they depend on no renderer.
    """
    return importlib.import_module(f"evo_ensyth.report.{name}")
