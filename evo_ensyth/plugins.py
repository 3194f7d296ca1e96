"""Plug-ins: each family is a package, and each file in it or in its subpackages is one plug-in, named after its file.

User-defined plug-ins are found by a dotted name, that of a module or of an object in one. Modules in the current folder
are found as well. In Python, a class or an instance may be passed instead of a name.
"""

import ast
import difflib
import importlib
import importlib.util
import math
import operator
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from importlib.util import find_spec
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from evo_ensyth.errors import InputError

PROBLEMS = "problems"  # the package in which modules of problems are, whatever folder they come from

# How the limits of a `setting` are compared with its value.
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": operator.ge,
    "above": operator.gt,
    "at_most": operator.le,
    "below": operator.lt,
    "multiple_of": lambda value, factor: value % factor == 0,
}


def names(folder: str) -> tuple[str, ...]:
    """Names of the plug-ins in a package, sorted. Files with a leading underscore are not plug-ins.

    Parameters
    ----------
    folder : str
        Dotted name of the package, such as ``evo_ensyth.selection.selectors``.
    """
    return tuple(sorted(_places(folder)))


def describe(folder: str) -> dict[str, str]:
    """First docstring line of each plug-in's module in a package, by name. Imports none of them."""
    return {name: first_line(_file(place)) for name, place in sorted(_places(folder).items())}


def first_line(path: Path) -> str:
    """First line of the docstring of a Python file; empty if it has none or is not valid Python."""
    try:
        docstring = ast.get_docstring(ast.parse(path.read_bytes()))
    except (OSError, SyntaxError, ValueError):
        return ""
    return (docstring or "").partition("\n")[0]


def load(folder: str, name: str, what: str) -> Any:
    """Load the module of a plug-in or, for a dotted name, the module or the object in a module that it names.

    Parameters
    ----------
    folder : str
        As for `names`.
    name : str
    what : str
        What the family calls a plug-in in messages, such as ``selector``.

    Raises
    ------
    InputError
        Unknown plug-in (the message lists all names and the nearest one), or one that cannot be imported.
    """
    if not isinstance(name, str):
        raise InputError(f"{name!r} is not the name of a {what}; there is {', '.join(names(folder))}.")
    if "." in name:
        return imported(name, what)
    places = _places(folder)
    if name not in places:
        raise unknown(what, name, places)
    return importlib.import_module(places[name])


def imported(name: str, what: str) -> Any:
    """Import a module, or an object in one, by its dotted name.

    Raises
    ------
    InputError
        It does not exist, or importing it fails.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"no {what} called '{name}'; the dotted name of a module was expected.")
    # `python -m` searches the current folder, an installed script does not.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        _find_problem(name)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            place, _, attribute = name.rpartition(".")
            if error.name != name or not place or not hasattr(importlib.import_module(place), attribute):
                raise
            return getattr(importlib.import_module(place), attribute)
    except Exception as error:  # a user's module may raise anything
        raise InputError(f"no {what} called '{name}' can be imported: {type(error).__name__}: {error}.") from error


def module_at(path: Path) -> ModuleType:
    """Import the module of a problem by its path, under the name ``problems.NAME``; it may raise anything."""
    spec = importlib.util.spec_from_file_location(f"{PROBLEMS}.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for the types that its fields name
    spec.loader.exec_module(module)
    return module


def _find_problem(name: str) -> None:
    """Import the problem in the current folder to which a dotted name belongs, if that is where it lies."""
    package, _, rest = name.partition(".")
    path = Path(f"{rest.partition('.')[0]}.py")
    if package == PROBLEMS and f"{PROBLEMS}.{path.stem}" not in sys.modules and path.is_file():
        module_at(path)


def only(found: Any, kind: type) -> Any:
    """Return the only public instance of ``kind`` in a module; an instance of ``kind`` is returned unchanged.

    Raises
    ------
    InputError
        The module has none or several.
    """
    if isinstance(found, kind):
        return found
    candidates = [value for name, value in vars(found).items() if name[0] != "_" and isinstance(value, kind)]
    if len(candidates) != 1:
        raise InputError(f"{found.__name__} has {len(candidates)} of {kind.__name__}; a plug-in has exactly one.")
    return candidates[0]


def make(folder: str, wanted: Any, what: str, method: str, settings: Mapping[str, Any] | None = None) -> Any:
    """Create a plug-in from its name or its class; an instance is returned unchanged.

    Parameters
    ----------
    folder, what : str
        As for `load`.
    wanted : str, class or instance
    method : str
        The method that identifies the class of a plug-in.
    settings : mapping, optional
        Fields of its class, if that is a dataclass; the others keep their defaults.

    Raises
    ------
    InputError
        Unknown name, a module that does not have exactly one class with the method, an unknown or missing setting, or
        an object that is neither a name nor a plug-in.
    """
    found = load(folder, wanted, what) if isinstance(wanted, str) else wanted
    if isinstance(found, ModuleType):
        found = _only_class(found, what, method)
    if not callable(getattr(found, method, None)):
        raise InputError(
            f"{wanted!r} is no {what}; expected a name, such as '{names(folder)[0]}', or an object with '{method}'."
        )
    if not isinstance(found, type):
        if settings:
            raise InputError(f"{found!r} has its settings already; got {', '.join(settings)} beside it.")
        return found
    name = wanted if isinstance(wanted, str) else found.__name__
    known = [field.name for field in fields(found)] if is_dataclass(found) else []
    for setting in settings or {}:
        if setting not in known:
            there = f"it has {', '.join(known) or 'none'}.{nearest(setting, known)}"
            raise InputError(f"{what} '{name}' has no setting '{setting}'; {there}")
    if missing := [part.name for part in _required(found) if part.name not in (settings or {})]:
        raise InputError(f"{what} '{name}' needs settings: {', '.join(missing)}; use {found.__name__}(...).")
    return found(**(settings or {}))


def function(found: Any, name: str, what: str) -> Callable[..., Any]:
    """Return the function called ``name`` in the module of a plug-in, or the plug-in itself if it is a function.

    Raises
    ------
    InputError
        The module has no such function, or the plug-in is neither a module nor a function.
    """
    wanted: Callable[..., Any] | None = getattr(found, name, None) if isinstance(found, ModuleType) else found
    if not callable(wanted):
        raise InputError(f"{getattr(found, '__name__', found)} has no function '{name}'; a {what} has one.")
    return wanted


def name_of(wanted: str | Callable[..., Any], what: str) -> str:
    """Return the dotted name by which `load` finds a function or class again; a name is returned unchanged.

    Raises
    ------
    InputError
        It has no such name: an instance, a lambda, a nested function, or one defined in a script or notebook.
    """
    if isinstance(wanted, str):
        return wanted
    module, name = getattr(wanted, "__module__", None), getattr(wanted, "__qualname__", "")
    if module in (None, "__main__", "builtins") or getattr(sys.modules.get(module), name or " ", None) is not wanted:
        shown = name or f"an object of type {type(wanted).__name__}"
        raise InputError(
            f"{shown} cannot be stored as a {what}; expected a name, or a function or class that a module defines."
        )
    return f"{module}.{name}"


def class_of(folder: str, name: str) -> type:
    """Import the class of a plug-in by its name, which is that of its file without underscores, ignoring case.

    Raises
    ------
    AttributeError
        Unknown class; for use in a module's ``__getattr__``.
    """
    for place in _places(folder).values():
        if place.rpartition(".")[2].replace("_", "") == name.lower():
            found = getattr(importlib.import_module(place), name, None)
            if isinstance(found, type):
                return found
    raise AttributeError(f"module '{folder}' has no attribute '{name}'")


def class_names(folder: str) -> list[str]:
    """Names for which `class_of` finds a class. Imports nothing."""
    return [
        node.name
        for name, place in sorted(_places(folder).items())
        for node in ast.parse(_file(place).read_bytes()).body
        if isinstance(node, ast.ClassDef) and node.name.lower() == name.replace("_", "")
    ]


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for an unknown name, with the nearest known name and all of them."""
    known = sorted(known)
    there = ", ".join(known) or "none at all"
    return InputError(f"no {what} called '{name}'.{nearest(name, known)} There is {there}.")


def setting(
    default: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    multiple_of: int | None = None,
    one_of: Iterable[str] = (),
) -> Any:
    """Declare a field of a plug-in's dataclass with its default and its allowed values.

    Call `check_settings` in ``__post_init__`` to check them.
    """
    limits = {"at_least": at_least, "above": above, "at_most": at_most, "below": below, "multiple_of": multiple_of}
    return field(default=default, metadata={**limits, "one_of": tuple(one_of)})


def check_settings(plugin: Any) -> None:
    """Check the fields of a plug-in's dataclass against their types and the values that `setting` allows.

    Raises
    ------
    InputError
        A field has the wrong type or a value that is not allowed. The message names the field and its allowed values.
    """
    types = get_type_hints(type(plugin))
    for declared in fields(plugin):
        value, wanted = getattr(plugin, declared.name), types[declared.name]
        if not _allowed(value, wanted, declared.metadata):
            expected = _expected(wanted, declared.metadata)
            raise InputError(f"{type(plugin).__name__}: {declared.name} is {value!r}; it must be {expected}.")


def _allowed(value: Any, wanted: Any, limits: Mapping[str, Any]) -> bool:
    if get_origin(wanted) is UnionType:
        return any(_allowed(value, each, limits) for each in get_args(wanted))
    if get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(_allowed(each, get_args(wanted)[0], limits) for each in value)
    kind = {int: Integral, float: Real}.get(wanted, wanted)
    if isinstance(kind, type) and (not isinstance(value, kind) or (isinstance(value, bool) and wanted is not bool)):
        return False
    if wanted not in (int, float):
        return value in limits.get("one_of", ()) or not limits.get("one_of")
    inside = math.isfinite(value)
    for limit, keeps in COMPARISONS.items():
        inside = inside and (limits.get(limit) is None or keeps(value, limits[limit]))
    return inside


def _expected(wanted: Any, limits: Mapping[str, Any]) -> str:
    """Describe the values that `_allowed` accepts."""
    if get_origin(wanted) is UnionType:
        return ", or ".join("None" if each is type(None) else _expected(each, limits) for each in get_args(wanted))
    if get_origin(wanted) is tuple:
        return f"a tuple, each entry {_expected(get_args(wanted)[0], limits)}"
    if one_of := limits.get("one_of"):
        return " or ".join(map(repr, one_of))
    kinds = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
    limit_names = [limit for limit in COMPARISONS if limits.get(limit) is not None]
    words = [f"{limit.replace('multiple', 'a multiple').replace('_', ' ')} {limits[limit]:g}" for limit in limit_names]
    return kinds.get(wanted, str(wanted)) + (f", {' and '.join(words)}" if words else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask whether the nearest known name was meant, as a sentence after others; empty if none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def renderer(name: str) -> ModuleType:
    """Import a module of ``evo_ensyth.report`` that displays results.

    Results refer to renderers only by name, as to plug-ins, so that they depend on none of them.
    """
    return importlib.import_module(f"evo_ensyth.report.{name}")


def _required(cls: type) -> list[Field[Any]]:
    """Settings of a plug-in's class without a default."""
    own = fields(cls) if is_dataclass(cls) else ()
    return [part for part in own if part.default is MISSING and part.default_factory is MISSING]


def _places(folder: str) -> dict[str, str]:
    """Dotted name of each plug-in in a package and its subpackages, by the name of its file."""
    places: dict[str, str] = {}
    for module in pkgutil.iter_modules(importlib.import_module(folder).__path__, f"{folder}."):
        name = module.name.rpartition(".")[2]
        if name[0] != "_":
            places |= _places(module.name) if module.ispkg else {name: module.name}
    return places


def _file(place: str) -> Path:
    spec = find_spec(place)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _only_class(module: ModuleType, what: str, method: str) -> type:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, method)
    ]
    if len(found) != 1:
        raise InputError(f"{module.__name__} has {len(found)} classes with a method '{method}'; a {what} has one.")
    return found[0]
