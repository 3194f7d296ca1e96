"""How long steps report what they are doing."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with how much is done, out of how much (0 while that is unknown), and what is going on."""

Report = Callable[[str], None]
"""Called with a few words on what is going on."""


def silent(*report: object) -> None:
    """Ignore a report."""
