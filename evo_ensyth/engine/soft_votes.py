"""Soft votes: sums of scores instead of counts of labels, with optional weights.

A batch of subsets times the scores of some samples is a matrix product, which BLAS computes about as fast as the
hardware allows. Sums of floats would depend on the order of addition, and so on block sizes and the number of threads.
Scores and weights are therefore first rounded to whole multiples of a power of two, and the product is computed in the
narrowest float type that holds every sum exactly: up to 2^24 in float32, below 2^53 in float64. The results then depend
neither on that type nor on how the work is split.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from evo_ensyth.engine.kernels.scores import add_errors
from evo_ensyth.engine.threads import threads
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Scores, Votes
from evo_ensyth.pool.memory import check_fits

# The probabilities of 256 members add up to at most 2^24 times this, the largest sum that is exact in float32.
RESOLUTION = 2.0**-16
# Real weights keep as many bits as a float32 holds; 8,192 members with scores up to 2^16 then reach 2^53.
WEIGHT_BITS = 24
# Rounded scores up to this size are kept in memory rather than read and rounded again for every batch.
KEPT_BYTES = 2**30
# Sums computed at once (subsets times samples times classes): a few MiB, which fit in the cache.
BLOCK = 2**20
# Number of subsets that the default block assumes: enough for rounding to cost little next to the product.
SUBSETS = 256
# Sums to compare per thread for the thread to be worth starting.
THREAD_SUMS = 2**18

# Largest sum of whole numbers that is guaranteed to be exact.
EXACT: dict[np.dtype[Any], int] = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53 - 1}
MOST = max(EXACT.values())


@dataclass(frozen=True)
class SoftVotes:
    """Scores of a pool on one split, ready to be added up for any subset.

    Scores are rounded to the nearest multiple of ``resolution``, halves to even, before they are added. Labels count
    exactly 1 for their class. The class with the largest sum wins, and ties go to the lowest class. Rounding can only
    affect the decision between classes whose sums differ by at most one resolution per member.

    Attributes
    ----------
    source : Scores or Votes
    resolution : float
        A power of two; 1 for labels.
    largest : int
        Largest rounded score, in multiples of the resolution.
    kept : float32 or float64, (n_members, n_samples * n_classes), optional
        Rounded scores, with the classes of a sample contiguous; None if each batch rounds them again, block by block.
    block_samples : int
        Number of samples whose scores are added up at once.
    """

    source: Scores | Votes
    resolution: float
    largest: int
    kept: np.ndarray | None
    block_samples: int

    @classmethod
    def of(
        cls,
        source: Scores | Votes,
        *,
        resolution: float = RESOLUTION,
        kept_bytes: int = KEPT_BYTES,
        block_samples: int | None = None,
    ) -> "SoftVotes":
        """Prepare the scores of a split or, given votes, their labels.

        Parameters
        ----------
        source : Scores or Votes
            Scores may be memory-mapped files, which must not change.
        resolution : float
            A power of two, from 2^-100 to 2^100; ignored for labels. For scores that are counts, 1 is fastest.
        kept_bytes : int
            Rounded scores are kept in memory if they take at most this many bytes, else rounded again for every batch.
        block_samples : int, optional
            Number of samples whose scores are added up at once; by default as many as fit in the cache. Affects time
            and memory only.

        Raises
        ------
        InputError
            The resolution is not such a power of two, too fine for exact sums, or so coarse that all scores round to
            0; ``block_samples`` is below 1; or the rounded scores to keep do not fit in memory.
        """
        if isinstance(source, Votes):
            resolution, largest = 1.0, 1
        else:
            largest = _rounded_largest(source, resolution)
        most = source.n_members * largest
        if most > MOST:
            raise InputError(
                f"{source.split} scores of {source.n_members} members add up to {most:.3g} times the resolution "
                f"{resolution:g}; sums are exact below 2^53, so use a coarser one."
            )
        if block_samples is None:
            block_samples = BLOCK // max(source.n_members, SUBSETS) // source.n_classes or 1
        elif block_samples < 1:
            raise InputError(f"block_samples is {block_samples}; a block has at least 1 sample.")
        soft = cls(source, resolution, largest, None, min(block_samples, source.n_samples))
        shape = (source.n_members, source.n_samples * source.n_classes)
        kind = _narrowest(largest)
        size = math.prod(shape) * kind.itemsize
        if size > kept_bytes:
            return soft
        check_fits(f"the rounded {source.split} scores", size)
        kept = np.empty(shape, kind)
        for samples in soft._blocks():
            soft._round_into(kept[:, soft._columns(samples)], samples)
        kept.setflags(write=False)
        return cls(source, resolution, largest, kept, soft.block_samples)

    def errors(self, subsets: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Count the samples that each subset gets wrong.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.
        weights : (n_subsets, n_members), optional
            Factors for the scores of each member; 1 by default. Weights of members outside the subset are ignored.
            Whole numbers are used as they are. Real weights are rounded, row by row, to multiples of 2^-24 times the
            power of two above the row's largest.

        Returns
        -------
        int64, (n_subsets,)
            Does not depend on block size, batch size or number of threads.

        Raises
        ------
        InputError
            Subsets have the wrong type or shape, or one is empty; weights do not match them, are negative, not finite,
            all 0, or so large that sums would not be exact; or a block does not fit in memory.
        """
        return self.totals(add_errors, 1, subsets, weights)[:, 0]

    def totals(
        self,
        add: Callable[[np.ndarray, np.ndarray, np.ndarray], None],
        n_totals: int,
        subsets: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """Accumulate whole numbers over all samples, for each subset.

        Parameters
        ----------
        add : function of sums, truth and totals
            Adds the contribution of a block of samples to the totals, int64 (n_rows, n_totals). It gets their sums of
            scores, (n_rows, n_block, n_classes), in multiples of the resolution, and their true classes, (n_block,).
            Threads call it for different rows.
        n_totals : int
        subsets : bool, (n_subsets, n_members)
        weights : (n_subsets, n_members), optional
            As for `errors`.

        Returns
        -------
        int64, (n_subsets, n_totals)
            Whole numbers can be added in any order, so this does not depend on block size, batch size or number of
            threads.

        Raises
        ------
        InputError
            As for `errors`.
        """
        factors, largest_sum = self._factors(subsets, weights)
        totals = np.zeros((len(factors), n_totals), np.int64)
        truth = self.source.y_true

        def compare(sums: np.ndarray, rows: slice, samples: slice) -> None:
            add(sums, truth[samples], totals[rows])

        self._add_up(factors, _narrowest(largest_sum), compare)
        return totals

    def predictions(self, subsets: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Class with the largest sum for each sample, ties to the lowest.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
        weights : (n_subsets, n_members), optional
            As for `errors`.

        Returns
        -------
        type of ``y_true``, (n_subsets, n_samples)

        Raises
        ------
        InputError
            As for `errors`; or the predictions do not fit in memory.
        """
        factors, largest_sum = self._factors(subsets, weights)
        truth = self.source.y_true
        size = len(factors) * len(truth) * truth.itemsize
        check_fits(f"what {len(factors)} subsets answer on {len(truth)} samples", size)
        predictions = np.empty((len(factors), len(truth)), truth.dtype)

        def compare(sums: np.ndarray, rows: slice, samples: slice) -> None:
            predictions[rows, samples] = sums.argmax(axis=2)

        self._add_up(factors, _narrowest(largest_sum), compare)
        return predictions

    def _factors(self, subsets: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, int]:
        """Whole-number weights, (n_subsets, n_members), and an upper bound of the sums they lead to."""
        subsets = np.asarray(subsets)
        if subsets.dtype != np.bool_ or subsets.ndim != 2 or subsets.shape[1] != self.source.n_members:
            wanted = f"expected bool, (n_subsets, {self.source.n_members})"
            raise InputError(f"subsets have type {subsets.dtype} and shape {subsets.shape}; {wanted}.")
        empty = np.flatnonzero(~subsets.any(axis=1))
        if len(empty):
            raise InputError(f"subset {empty[0]} has no member; give every subset at least one.")
        factors = subsets if weights is None else _whole(subsets, np.asarray(weights))
        # This float sum is exact below 2^53, and reaches 2^53 whenever the true sum does.
        totals = factors.sum(axis=1, dtype=np.float64)
        i = int(totals.argmax()) if len(totals) else 0
        largest_sum = int(totals[i]) * self.largest if len(totals) else 0
        if largest_sum > MOST:
            raise InputError(
                f"the weighted scores of subset {i} add up to {largest_sum:.3g} times the resolution "
                f"{self.resolution:g}; sums are exact below 2^53, so use fewer bits in the weights or a coarser one."
            )
        return factors, largest_sum

    def _add_up(
        self, factors: np.ndarray, kind: np.dtype[Any], compare: Callable[[np.ndarray, slice, slice], None]
    ) -> None:
        """Call ``compare`` block by block with sums (n_rows, n_block, n_classes), their rows and their samples."""
        if len(factors) == 0:
            return
        n_members, n_columns = self.source.n_members, self.block_samples * self.source.n_classes
        n_rows = min(len(factors), BLOCK // n_columns or 1)
        # Kept scores are used in place, unless their type is too narrow for these sums.
        copied = self.kept is None or self.kept.dtype != kind
        n_numbers = n_rows * (n_columns + n_members) + copied * n_members * n_columns
        check_fits(
            f"adding up the scores of {n_members} members for {self.block_samples} samples and "
            f"{self.source.n_classes} classes at once",
            n_numbers * kind.itemsize,
        )
        room = np.empty(n_rows * n_columns, kind)
        scores = np.empty((n_members, n_columns), kind) if copied else np.empty((0, 0), kind)
        n_threads = min(threads(), 1 + room.size // THREAD_SUMS)
        with ThreadPoolExecutor(n_threads) as pool:  # starts threads only when they have work
            for samples in self._blocks():
                block = self._block(samples, scores)
                for first in range(0, len(factors), n_rows):
                    chosen = factors[first : first + n_rows].astype(kind)
                    sums = np.matmul(chosen, block, out=room[: len(chosen) * block.shape[1]].reshape(len(chosen), -1))
                    sums = sums.reshape(len(chosen), -1, self.source.n_classes)
                    ends = np.linspace(0, len(chosen), n_threads + 1).astype(int).tolist()
                    parts = [slice(*part) for part in itertools.pairwise(ends)]
                    rows = [slice(first + part.start, first + part.stop) for part in parts]
                    each = map if n_threads == 1 else pool.map
                    list(each(compare, [sums[part] for part in parts], rows, itertools.repeat(samples)))

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, self.source.n_samples, self.block_samples):
            yield slice(start, min(start + self.block_samples, self.source.n_samples))

    def _columns(self, samples: slice) -> slice:
        return slice(samples.start * self.source.n_classes, samples.stop * self.source.n_classes)

    def _block(self, samples: slice, room: np.ndarray) -> np.ndarray:
        """Rounded scores of some samples, (n_members, n_columns), copied to ``room`` if necessary."""
        columns = self._columns(samples)
        if room.size == 0 and self.kept is not None:
            return self.kept[:, columns]
        room = room[:, : columns.stop - columns.start]
        if self.kept is not None:
            room[...] = self.kept[:, columns]
        else:
            self._round_into(room, samples)
        return room

    def _round_into(self, room: np.ndarray, samples: slice) -> None:
        """Write the scores of some samples as multiples of the resolution, (n_members, n_columns)."""
        shape = (samples.stop - samples.start, self.source.n_classes)
        if isinstance(self.source, Votes):
            classes = np.arange(self.source.n_classes)
            for row, labels in zip(room, self.source.y_pred[:, samples], strict=True):
                np.equal(labels[:, None], classes, out=row.reshape(shape), casting="unsafe")
            return
        for i, (row, member) in enumerate(zip(room, self.source.members, strict=True)):
            # float16 could overflow; float32 or wider does not, and multiplying by a power of two is exact.
            kind = np.result_type(member.dtype, np.float32)
            with np.errstate(over="ignore", invalid="ignore"):
                rounded = np.multiply(member[samples], 1 / self.resolution, dtype=kind)
                np.rint(rounded, out=rounded)
                good = rounded.min() >= 0 and rounded.max() <= self.largest  # False for NaN as well
            # Scores in a file, or in the caller's array, may have changed since they were checked.
            if not good:
                raise InputError(f"{self.source.split} scores of member {i} have changed since they were checked.")
            row.reshape(shape)[...] = rounded


def _rounded_largest(scores: Scores, resolution: float) -> int:
    if not 2.0**-100 <= resolution <= 2.0**100 or math.frexp(resolution)[0] != 0.5:
        raise InputError(f"the resolution is {resolution:g}; it must be a power of two, from 2^-100 to 2^100.")
    largest = round(min(scores.largest / resolution, 2.0**1000))  # round() fails on infinity
    if scores.largest > 0 and largest == 0:
        wanted = "use a finer resolution"
        raise InputError(f"{scores.split} scores reach {scores.largest:g}, which {resolution:g} rounds to 0; {wanted}.")
    return largest


def _narrowest(largest: int) -> np.dtype[Any]:
    """Narrowest type in which all whole numbers up to this one are exact."""
    return next(kind for kind, most in EXACT.items() if largest <= most)


def _whole(subsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights scaled to whole numbers, (n_subsets, n_members); 0 for members outside the subset."""
    if weights.shape != subsets.shape:
        raise InputError(f"weights have shape {weights.shape}; the subsets need {subsets.shape}.")
    if weights.dtype.kind not in "fiu":
        raise InputError(f"weights have type {weights.dtype}; they must be numbers.")
    if weights.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            weights = weights.astype(np.float64)
    wrong = ~((weights >= 0) & (weights < np.inf))
    if wrong.any():
        subset, member = np.argwhere(wrong)[0]
        raise InputError(
            f"weights hold {weights[subset, member]:g} (subset {subset}, member {member}); "
            "they are finite and at least 0."
        )
    weights = np.where(subsets, weights, 0)
    silent = np.flatnonzero(~weights.any(axis=1))
    if len(silent):
        raise InputError(f"the members of subset {silent[0]} all have weight 0; give at least one of them more.")
    if weights.dtype.kind == "f" and len(weights):
        # Row by row, so that a subset's predictions do not depend on the rest of the batch.
        exponents = np.frexp(weights.max(axis=1, keepdims=True))[1]
        weights = np.rint(np.ldexp(weights, WEIGHT_BITS - exponents))
    return weights
