"""Weights of samples, which are refused: votes, errors and tests count all samples alike."""

import re
from collections.abc import Iterable

from evo_ensyth.errors import InputError

NAMES = re.compile(r"((search|test)_)?(samples?_)?weights?")


def refuse_weights(names: Iterable[str], where: str = "") -> None:
    """Refuse weights of samples, which would be ignored.

    Parameters
    ----------
    names : iterable of str
        Keys of a file, or columns of a table.
    where : str
        Begins the message.

    Raises
    ------
    InputError
        One of them gives samples weights.
    """
    found = next((name for name in names if NAMES.fullmatch(name)), None)
    if found is not None:
        raise refused(found, where)


def refused(name: str, where: str = "") -> InputError:
    """Return the error about weights of this name."""
    return InputError(
        f"{where}'{name}' gives samples weights, and all samples count alike here. Remove it to search without "
        "weights; to protect a part of the samples, give 'groups' and minimise or limit worst_group_error."
    )
