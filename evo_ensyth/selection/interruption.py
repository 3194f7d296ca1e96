"""Ctrl-C, SIGTERM and SIGHUP end a search and keep what it found; a second signal ends the program."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What shells add to the number of the signal that ended a command, for its exit status.
SIGNALLED = 128
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal ended the work, and there is nothing to keep.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = int(number)


class Interruption:
    """Whether a signal has asked to end, and which; while it is `heeded`, the handler of all `SIGNALS`.

    Parameters
    ----------
    raises : bool
        Raise `Interrupted` at every signal, where there is nothing to keep yet. Otherwise the first signal is only
        noted, and the next one does what it did before.

    Attributes
    ----------
    number : int, optional
        Of the signal.
    """

    def __init__(self, *, raises: bool = False) -> None:
        self.number: int | None = None
        self._raises = raises
        self._before: dict[int, object] = {}

    @property
    def by(self) -> str | None:
        """Name of the signal, such as ``SIGINT``."""
        return None if self.number is None else signal.Signals(self.number).name

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the signal."""
        self.number = number
        if self._raises:
            raise Interrupted(number)
        self._give_back()

    def _take(self) -> None:
        for number in SIGNALS:
            before = signal.getsignal(number)
            if before is signal.SIG_IGN:  # as under nohup
                continue
            if isinstance(before, Interruption) and before.number is not None:
                self.number = before.number  # its exception was lost, as in a callback of a library
            self._before[number] = signal.SIG_DFL if before is None else before
            signal.signal(number, self)

    def _give_back(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def heeded(interruption: Interruption) -> Iterator[Interruption]:
    """Let an `Interruption` handle signals while the block runs.

    Python handles signals only in the main thread; in other threads this does nothing. Signals that the program ignores
    stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    interruption._take()
    try:
        yield interruption
    finally:
        interruption._give_back()
