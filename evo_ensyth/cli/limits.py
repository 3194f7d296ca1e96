"""What the system must leave to a command: where it is too little, libraries hang or crash instead of saying so."""

import os

from evo_ensyth.errors import InputError

# Address space of a search that enumerates a small pool, on two processors; measured at 0.9 GiB, most of it libraries.
NEEDED = 2**30
PER_PROCESSOR = 80 * 2**20  # stack and heap of one more thread


def check_limits() -> None:
    """Check that a command may use as much address space as its libraries need.

    Raises
    ------
    InputError
        It may not. With less, threads cannot be started, and the first parallel kernel waits for them forever.
    """
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # there are no such limits on Windows
        return
    limit, _ = getrlimit(RLIMIT_AS)
    needed = NEEDED + PER_PROCESSOR * ((os.cpu_count() or 1) - 2)
    if limit != RLIM_INFINITY and limit < needed:
        raise InputError(
            f"this process may use {limit / 2**20:,.0f} MiB of address space, and {needed / 2**20:,.0f} are needed; "
            "raise the limit with 'ulimit -v'."
        )
