"""Settings as JSON, so that a pool folder recognises the recipe it was begun with."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, sha256
from evo_ensyth.plugins import name_of

LATER = {"later": True}
"""Metadata of a field that earlier versions lacked.

At its default the field is left out of the JSON, so that pools begun without it are still recognised.
"""

# Classes that have moved keep the kind under which earlier versions wrote them down.
EARLIER_KINDS = {
    "compression.magnitude_control.MagnitudeControl": "compression.magnitude.MagnitudeControl",
    "recipe.Latency": "measure.Latency",
}


def as_json(value: Any) -> Any:
    """Recipe, compressor or setting as JSON values; every dataclass names its kind, and an array gives its digest.

    A function gives its dotted name, or a digest of its code where it cannot be imported. What has a method ``claim``
    says itself what identifies it.

    Raises
    ------
    InputError
        A setting is not a dataclass, number, text, array of numbers, function, or a list or mapping of these.
    """
    if hasattr(value, "claim") and not isinstance(value, type):
        return as_json(value.claim())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        settings = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
        for part in dataclasses.fields(value):
            if part.metadata.get("later") and settings[part.name] == part.default:
                del settings[part.name]
        return {"kind": _kind(type(value)), **{name: as_json(setting) for name, setting in settings.items()}}
    if isinstance(value, Mapping):
        return {str(key): as_json(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(content) for content in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        digest = sha256(np.ascontiguousarray(value).tobytes())
        return {"kind": "array", "type": value.dtype.str, "shape": list(value.shape), "sha256": digest}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if callable(value):
        return _function(value)
    raise InputError(f"a recipe holds {value!r}; its settings must be dataclasses, numbers, text, or lists of these.")


def _function(function: Callable[..., Any]) -> Any:
    try:
        return name_of(function, "function")
    except InputError:
        pass
    if isinstance(function, functools.partial):
        return {"function": _function(function.func), "given": as_json([list(function.args), function.keywords])}
    name = getattr(function, "__qualname__", type(function).__qualname__)
    code = getattr(function, "__code__", None)
    content = re.sub(r" at 0x[0-9a-f]+", "", repr(function)) if code is None else repr(_code(code))
    return {"function": name, "sha256": sha256(content.encode())}


def _code(code: CodeType) -> tuple[object, ...]:
    """What a function does, without where it stands."""
    constants = tuple(_code(part) if isinstance(part, CodeType) else part for part in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def digest(*settings: object) -> str:
    """Digest of settings, short enough for a file name."""
    content = [as_json(setting) for setting in settings]
    return fingerprint(content[0] if len(content) == 1 else content)[:12]


def _kind(cls: type) -> str:
    kind = f"{cls.__module__}.{cls.__qualname__}".removeprefix("evo_ensyth.synthesis.")
    return EARLIER_KINDS.get(kind, kind)
