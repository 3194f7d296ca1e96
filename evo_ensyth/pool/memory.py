"""Limit on the memory that one array may take."""

import os

from evo_ensyth.errors import InputError


def check_fits(what: str, size: int) -> None:
    """Raise an `InputError` if ``size`` bytes are over a quarter of the memory: checks take as much again, or more."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory // 4:
        raise InputError(
            f"{what} would take {size / 2**30:,.1f} GiB; a quarter of this machine's memory is {memory / 2**32:,.1f}."
        )
