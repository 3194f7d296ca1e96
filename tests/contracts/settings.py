"""Values that a plug-in's settings must refuse, read off its fields."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_origin, get_type_hints


def refused(plugin: type) -> Iterator[tuple[str, Any]]:
    """Every field of a plug-in's dataclass with values outside what it may be, one at a time."""
    for field in fields(plugin) if is_dataclass(plugin) else ():
        limits = field.metadata
        bad = [object()]
        for limit, beyond in (("at_least", -1), ("above", 0), ("at_most", 1), ("below", 0), ("multiple_of", 1)):
            if limits.get(limit) is not None:
                bad.append(limits[limit] + beyond)
        if limits.get("one_of"):
            bad.append("nonsense")
        wanted = get_type_hints(plugin)[field.name]
        if wanted in (int, float):
            bad += [float("nan"), "7", True]
        for value in bad:
            yield field.name, (value,) if get_origin(wanted) is tuple else value
