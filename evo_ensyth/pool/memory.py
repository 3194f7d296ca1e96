"""How much memory one array may take."""

import os

from evo_ensyth.errors import InputError


def check_fits(what: str, size: int) -> None:
    """Refuse what would take more than a quarter of the memory: checking it takes as much again, and more."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory // 4:
        raise InputError(
            f"{what} would take {size / 2**30:,.1f} GiB; a quarter of this machine's memory is {memory / 2**32:,.1f}."
        )
