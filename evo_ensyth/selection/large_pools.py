"""What a search of a pool takes whose votes do not stay in memory: said before it starts, and refused if too much."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine import BitPlanes, views
from evo_ensyth.engine.kernels.bits import UNIT
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import folder_for_files, is_large
from evo_ensyth.results.comparison import TOGETHER
from evo_ensyth.selection.problem import Problem

# Smaller pools are laid out at once; of others, a part is laid out to see what the whole takes.
SMALL, SAMPLED = 2**26, 4_096  # bytes of labels, and samples
# What a search takes besides: for each sample, and in all.
BYTES_PER_SAMPLE, BYTES = 100, 300_000_000
COMPARED = 2 * TOGETHER  # ensembles whose predictions are there at a time, at the end
JUDGED = 20  # ensembles, to time them


@dataclass(frozen=True)
class Needs:
    """What a search takes, about.

    Attributes
    ----------
    in_files, in_memory : float
        Bytes at most at a time.
    layout_seconds : float
        Until the first ensemble is judged.
    judging_seconds : float
        For 1,000 ensembles of half of the members.
    """

    in_files: float
    in_memory: float
    layout_seconds: float
    judging_seconds: float

    def __str__(self) -> str:
        return (
            f"a large pool: about {self.in_files / 1e9:,.1f} GB in files in {folder_for_files()} and "
            f"{self.in_memory / 1e9:,.1f} GB of memory; about {self.layout_seconds:,.0f} seconds to lay out the votes, "
            f"and {self.judging_seconds:,.0f} for each 1,000 ensembles"
        )


def needs_of(problem: Problem, n_folds: int) -> Needs | None:
    """Estimate what a search takes; None if everything stays in memory, or the votes are not counted on bit planes.

    Raises
    ------
    InputError
        The disk has less space than that.
    """
    votes, everybody = problem.search, problem.fitted_vote.everybody
    if votes.y_pred.nbytes <= SMALL or everybody is None or everybody.is_weighted:
        return None
    few = votes.part(samples=slice(0, None, -(-votes.n_samples // SAMPLED)))
    BitPlanes.of(few.part(samples=slice(0, UNIT)))  # compiles
    start = time.perf_counter()
    planes = BitPlanes.of(few)
    laid_out = time.perf_counter()
    subsets = np.random.default_rng(0).random((JUDGED, votes.n_members)) < 0.5
    subsets[:, 0] = True
    planes.errors(subsets)
    layout_seconds, judging_seconds = laid_out - start, time.perf_counter() - laid_out
    scale = votes.n_samples / few.n_samples
    of_search = _large_arrays(planes, scale, votes, by_scores=bool(everybody.ties and everybody.ties.adds_scores))
    # The folds of the nested estimate are laid out one after another, and the test split after them.
    again = (n_folds - 1) / n_folds if n_folds else 0
    n_test = problem.test.n_samples / votes.n_samples if problem.test else 0
    sizes = [size * part for part in (1, again, n_test) for size in of_search]
    # What they predict, and whether that is wrong.
    predicted = COMPARED * votes.n_samples
    sizes += [size * part for part in (1, n_test) for size in (predicted * votes.y_pred.itemsize, predicted)]
    in_files = sum(size for size in sizes if is_large(int(size)))
    if not in_files:
        return None
    in_memory = sum(sizes) - in_files + BYTES_PER_SAMPLE * votes.n_samples + BYTES
    needs = Needs(in_files, in_memory, scale * layout_seconds, scale * judging_seconds * 1_000 / JUDGED)
    free = shutil.disk_usage(folder_for_files()).free
    if in_files > free:
        raise InputError(
            f"the votes would take {in_files / 1e9:,.1f} GB in files in {folder_for_files()}, where {free / 1e9:,.1f} "
            "are free. Set TMPDIR to another folder."
        )
    return needs


def lay_out(problem: Problem, report: Callable[[str], object]) -> None:
    """Lay out the votes on the search split, and report how far that is."""

    def on_block(done: int, total: int) -> None:
        report(f"laying out votes: {done:,} of {total:,} samples")

    views.bit_planes(problem.search, on_block)


def _large_arrays(planes: BitPlanes, scale: float, votes: Votes, *, by_scores: bool) -> tuple[float, ...]:
    """Bytes of labels, bit planes, and what breaks ties, given the planes of a part."""
    rows = scale * len(planes.leads) * UNIT
    shares = 2 * votes.n_members * rows if by_scores else 0
    return float(votes.y_pred.nbytes), scale * planes.words.nbytes, 8 * -(-votes.n_members // 64) * rows, shares
