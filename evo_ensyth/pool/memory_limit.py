"""How much memory this process may use."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
STATUS = Path("/proc/self/status")


def memory_limit() -> int:
    """Bytes that this process may use: the memory of the machine, or of its cgroup, or what ``ulimit`` leaves it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(machine, _of_cgroups(), *_left_by_ulimit()))


@cache
def _of_cgroups() -> float:
    """Lowest limit of the control groups that this process is in; infinity without a limit."""
    most = math.inf
    with suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root, name = CGROUPS, "memory.max"
            if controllers:  # version 1
                root, name = CGROUPS / "memory", "memory.limit_in_bytes"
            for folder in (root / path[1:], *(root / path[1:]).parents):
                with suppress(OSError, ValueError):  # there is no such file at the root, and "max" is no number
                    most = min(most, int((folder / name).read_text()))
    return most


def _left_by_ulimit() -> Iterator[int]:
    """What each limit on this process leaves it beyond what it has."""
    with suppress(ImportError, OSError):  # there is neither on some systems
        import resource

        for limit, name in ((resource.RLIMIT_DATA, "VmData:"), (resource.RLIMIT_AS, "VmSize:")):
            most, _ = resource.getrlimit(limit)
            if most != resource.RLIM_INFINITY:
                lines = STATUS.read_text().splitlines()
                kilobytes = next(int(line.split()[1]) for line in lines if line.startswith(name))
                yield max(0, most - 1024 * kilobytes)
