"""Versions that must be the same here and where a task is done."""

import socket
from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from typing import Any

import evo_ensyth
from evo_ensyth.errors import InputError

LIBRARIES = ("numpy", "numba")


@cache
def versions() -> dict[str, str]:
    """Versions in this process."""
    return {"evo_ensyth": evo_ensyth.__version__, **{name: metadata.version(name) for name in LIBRARIES}}


def check_versions(there: Mapping[str, str | None], here: Mapping[str, str], worker: str) -> None:
    """Check that a worker has the versions of this process.

    Raises
    ------
    InputError
        It does not.
    """
    for name, version in here.items():
        if there.get(name) != version:
            other = there.get(name) or "none"
            raise InputError(f"the worker {worker} has {name} {other}, this process {version}; install the same.")


def checked(here: Mapping[str, str], work: Callable[..., Any], *args: Any) -> Any:
    """Do a task on a worker, if the worker has the versions of the process that asks for it."""
    check_versions(versions(), here, f"on {socket.gethostname()}")
    return work(*args)
