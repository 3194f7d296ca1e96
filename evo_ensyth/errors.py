"""Errors that a caller may want to catch, and the function that keeps their messages on one line."""

from collections.abc import Iterator
from contextlib import contextmanager

# Packages that only the extra 'build' installs.
BUILD_EXTRA = ("clarabel", "cvxpy", "pooch", "safetensors", "scs", "sklearn", "torch")


class EvoEnsythError(Exception):
    """Base class of the errors of this package. The command line prints them on one line and exits with status 2."""


class UnfinishedError(EvoEnsythError):
    """Part of the work failed and the rest is kept. The command line exits with status 1."""


class InputError(EvoEnsythError, ValueError):
    """Invalid input. The message names the file and the field, and says what was expected."""


@contextmanager
def build_extra() -> Iterator[None]:
    """Turn the failed import of a package from the extra 'build' into a message with the command that installs it.

    Raises
    ------
    InputError
        An import in the block failed because such a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in BUILD_EXTRA:
            raise
        raise InputError(
            f"this needs {error.name}, which is not installed; run: pip install 'evo-ensyth[build]'"
        ) from error


class InputWarning(UserWarning):
    """Something to know about how input was read, such as a key of a file that is not used."""


def one_line(text: str) -> str:
    """Make untrusted text safe to print: on one line, without control characters that a terminal would interpret.

    Names of files, members and costs may contain anything. White space becomes blanks; all other characters that are
    not printable are escaped as in Python.
    """
    return "".join(
        character if character.isprintable() else " " if character.isspace() else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
