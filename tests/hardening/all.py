"""All harnesses."""

from hardening import faults, kills, mutated_files, surroundings
from hardening.counts import Harness

HARNESSES: tuple[Harness, ...] = (
    *kills.HARNESSES,
    *faults.HARNESSES,
    *surroundings.HARNESSES,
    *mutated_files.HARNESSES,
)
