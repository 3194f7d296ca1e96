"""Standard output and standard error, whatever is behind them: a pipe, a full disk, nothing."""

import io
import os
import sys
from typing import Any


class OutputError(OSError):
    """Standard output cannot be written, for another reason than that its reader has gone."""


class _Output(io.FileIO):
    """Standard output; its errors can be told from those of other files."""

    def write(self, content: Any, /) -> int:
        """Write some bytes."""
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


def prepare() -> None:
    """Open what was closed before we began, and let names be printed that do not fit the encoding of the terminal.

    Otherwise other files could get the numbers of closed streams. Writing to standard output that was closed fails, as
    it should; messages to standard error are lost.
    """
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is sys.__stdout__:
        before = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)
        binary = io.BufferedWriter(_Output(before.fileno(), "w", closefd=False))
        sys.stdout = io.TextIOWrapper(binary, before.encoding, line_buffering=before.isatty())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard() -> None:
    """Let what is left be written to nowhere; otherwise Python would complain once more at the end."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
