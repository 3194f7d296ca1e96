"""All harnesses."""

from hardening import faults, kills, mutated_files
from hardening.counts import Harness

HARNESSES: tuple[Harness, ...] = (*kills.HARNESSES, *faults.HARNESSES, *mutated_files.HARNESSES)
