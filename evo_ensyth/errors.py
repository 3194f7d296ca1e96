"""Errors that a caller may want to catch, and the function that keeps their messages on one line."""

from collections.abc import Iterator
from contextlib import contextmanager

# Packages that only an extra installs.
BUILD_EXTRA = ("clarabel", "cvxpy", "pooch", "safetensors", "scs", "sklearn", "torch")
ONNX_EXTRAS = {
    "onnx": ("google", "ml_dtypes", "onnx", "onnx_ir", "onnxruntime"),
    "onnx-torch": ("onnxscript", "torch"),
    "onnx-sklearn": ("skl2onnx",),
}
DASK_EXTRA = ("cloudpickle", "dask", "distributed")


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
    with _extra("build", BUILD_EXTRA):
        yield


@contextmanager
def onnx_extra(extra: str = "onnx") -> Iterator[None]:
    """Turn the failed import of a package of ``onnx``, ``onnx-torch`` or ``onnx-sklearn``; see `build_extra`."""
    with _extra(extra, ONNX_EXTRAS[extra]):
        yield


@contextmanager
def dask_extra() -> Iterator[None]:
    """Turn the failed import of a package of ``dask`` into a message; see `build_extra`."""
    with _extra("dask", DASK_EXTRA):
        yield


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


@contextmanager
def _extra(extra: str, packages: tuple[str, ...]) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        raise InputError(
            f"this needs {error.name}, which is not installed; run: pip install 'evo-ensyth[{extra}]'"
        ) from error
