"""The errors that a caller may want to catch, and how a message stays on its one line."""

from collections.abc import Iterator
from contextlib import contextmanager

# Packages that only the extra 'build' installs.
BUILD_EXTRA = ("cvxpy", "pooch", "safetensors", "sklearn", "torch")


class EvoEnsythError(Exception):
    """Anything this package says on purpose. The command line prints it as one line and exits with status 2."""


class UnfinishedError(EvoEnsythError):
    """Some of what was asked for could not be made, and the rest is kept. The command line exits with status 1."""


class InputError(EvoEnsythError, ValueError):
    """What was handed in is wrong. The message names the file and the field, and says what was expected."""


@contextmanager
def build_extra() -> Iterator[None]:
    """Report a package that a plain install leaves out with the command that installs it.

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


def one_line(text: str) -> str:
    """Show a text that a stranger chose: on one line, and with nothing in it that a terminal would obey.

    Names of files, members and costs may hold anything. White space becomes blanks; every other character that cannot
    be printed is written as Python would escape it.
    """
    return "".join(
        character if character.isprintable() else " " if character.isspace() else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
