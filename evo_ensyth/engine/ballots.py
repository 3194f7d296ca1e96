"""The ballots of one split in fixed point, laid out so that those of 16 samples are added at once.

A *ballot* is what a member gives to each class of a sample: a weight for the class of its label, and another weight
shared among all classes as its scores say. The class with the largest sum over the members wins, and ties go to the
lowest class.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evo_ensyth.engine.ballot_products import BallotProducts
from evo_ensyth.engine.ballot_units import BallotUnits
from evo_ensyth.engine.fixed_point import FixedPoint, check_sums
from evo_ensyth.engine.kernels import ballots as kernels
from evo_ensyth.engine.kernels import moved_ballots as moves
from evo_ensyth.engine.kernels.ballots import FINE
from evo_ensyth.engine.kernels.lanes import LANES
from evo_ensyth.engine.outcomes import Outcomes
from evo_ensyth.engine.shares import ballot_sums
from evo_ensyth.engine.smoothing import NOISE_STEPS, STEPS, smoothed_by_noise
from evo_ensyth.engine.threads import in_ranges, threads
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import check_fits

# Bytes of ballots that are prepared at once.
PREPARED_BYTES = 2**25
# Outcomes at once, subsets times samples: some 50 MB.
OUTCOMES = 2**22
# Ballots to add per thread for the thread to be worth starting.
THREAD_BALLOTS = 1_000_000

# Noise on each member's ballot that losses assume, as a share of it: for ballots of scores, and of labels only.
SCORE_NOISE, LABEL_NOISE = 0.5, 1.0


@dataclass(frozen=True, eq=False)
class Ballots:
    """Ballots of a pool on one split.

    Ballots are whole numbers, see `fixed_point`, so their sums are exact and do not depend on the order of addition. A
    member has no ballot where it has no answer. Where none of an ensemble's members has a ballot, because they have no
    answers or no weight, the vote is wrong, and its class is ``n_classes``.

    Attributes
    ----------
    units : BallotUnits
        The ballots, laid out for addition.
    full : int64, (n_members,)
        Full ballot of each member, label weight plus score weight, in steps.
    adds_scores : bool
        Whether some member has a score weight.
    has_holes : bool
        Whether some member has no answer for some sample.
    n_classes, n_members, n_samples : int
    """

    units: BallotUnits
    full: np.ndarray
    adds_scores: bool
    has_holes: bool
    n_classes: int
    n_members: int
    n_samples: int

    @classmethod
    def of(
        cls,
        votes: Votes,
        label_weights: np.ndarray,
        score_weights: np.ndarray,
        temperatures: np.ndarray | None = None,
        *,
        prepared_bytes: int = PREPARED_BYTES,
    ) -> "Ballots":
        """Lay out the ballots of a split.

        Parameters
        ----------
        votes : Votes
            Scores may be memory-mapped files; they are read once, some samples at a time, and only if a member has a
            score weight.
        label_weights, score_weights : float64, (n_members,)
            What each member gives to the class of its label, and what it shares among all classes.
        temperatures : float64, (n_members,), optional
            Shares are p^(1/T), divided by their sum over the classes, where p are the scores divided by theirs, but at
            least 0.001. Where T is 1, as by default, shares are p as it is. Scores that are all 0 give equal shares.
        prepared_bytes : int
            Memory for samples that are prepared at once. Affects time and memory only.

        Raises
        ------
        InputError
            Weights are negative, not finite or all 0; temperatures are not positive; there are no scores though a
            member has a score weight; or the ballots take more than a quarter of the memory, or their sums more than
            32 bits.
        """
        fixed = FixedPoint.of(votes, label_weights, score_weights, temperatures)
        units = BallotUnits.of(fixed, prepared_bytes)
        adds_scores = bool(fixed.score_weights.any())
        return cls(units, fixed.full, adds_scores, votes.has_holes, votes.n_classes, votes.n_members, votes.n_samples)

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors`."""
        return self._errors(*_lists(subsets))

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.errors_by`."""
        members, begins = _lists(subsets)
        padded = np.zeros(len(self.units) * LANES, np.int64)
        padded[: self.n_samples] = groups[self.units.order]
        laid_out, rest = self._with_ties, (self.n_members, members, begins, padded, n_groups)
        return self._summed(lambda part: kernels.count_errors_by(*laid_out, *part, *rest), len(members))

    def predictions(self, subsets: np.ndarray) -> np.ndarray:
        """See `Tally.predictions`; an `InputError` says if they do not fit in memory."""
        members, begins = _lists(subsets)
        kind = np.dtype(np.uint8 if self.n_classes < 256 else np.uint16)
        size = len(subsets) * self.n_samples * kind.itemsize
        check_fits(f"what {len(subsets)} subsets answer on {self.n_samples} samples", size)
        predictions = np.empty((len(subsets), self.n_samples), kind)
        rest = (self.n_members, members, begins, self.units.classes, self.units.order, self.n_classes, predictions)
        self._over_units(lambda part: kernels.fill_predictions(*self._without_ties, *part, *rest), len(members))
        return predictions

    def sums(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.sums`."""
        return ballot_sums(self.units, subset, self.n_classes)

    def outcomes(self, subsets: np.ndarray) -> Iterator[Outcomes]:
        """How the votes of subsets, bool (n_subsets, n_members), come out, for some of them at a time."""
        together = max(1, OUTCOMES // self.n_samples)
        for start in range(0, len(subsets), together):
            yield self._outcomes(*_lists(subsets[start : start + together]))

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """Sum over the samples of Phi(-margin / (noise * size)): the probability of an error under added noise.

        The margin is the sum of the truth minus the largest sum of another class, and the size is the square root of
        the sum of the squares of the members' full ballots. So where all k members have one full ballot of the same
        weight, a margin of one full ballot counts Phi(-1 / (0.5 sqrt(k))) if scores are added, and Phi(-1 / sqrt(k))
        if ballots are of labels only.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            None of them empty.
        around : bool, (n_members,), optional
            A subset from which each of them differs by one member, which makes all of them cheaper.

        Returns
        -------
        int64, (n_subsets,)
            In steps of 2^-20. Margins are rounded to 1/1024 of the noise.
        """
        noise = SCORE_NOISE if self.adds_scores else LABEL_NOISE
        spread = noise * np.sqrt((subsets @ self.full**2).astype(np.float64))
        scales = np.divide(NOISE_STEPS, spread, where=spread > 0, out=np.zeros(len(spread))).astype(np.float32)
        unanswered, losses = -int(self.full.max()), smoothed_by_noise()
        rest = (unanswered, scales, losses) if around is None else (self.units.most, unanswered, scales, losses)
        found = self._each(kernels.sum_smoothed, moves.neighbour_smoothed, subsets, around, rest)
        middle, n_unused = len(losses) // 2, len(self.units) * LANES - self.n_samples
        step = np.rint(np.maximum(np.float32(unanswered) * scales, np.float32(-middle))).astype(np.int64)
        return np.asarray(found - n_unused * losses[middle + step])

    def spherical_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """Sum over the samples of 1 minus the cosine between the sums of all classes and the truth.

        Parameters
        ----------
        subsets, around
            As for `smoothed_losses`.

        Returns
        -------
        int64, (n_subsets,)
            In steps of 2^-20.
        """
        cosines = self._each(kernels.sum_cosines, moves.neighbour_cosines, subsets, around, ())
        return np.asarray(self.n_samples * STEPS - cosines)

    def brier_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """Sum over the samples of the squared distance of the mean ballot from the truth.

        The mean is over full ballots: sums divided by the sum of the members' full ballots. The squared distance is a
        quadratic form of the products of members' ballots, which are added over the samples once.

        Parameters
        ----------
        subsets, around
            As for `smoothed_losses`.

        Returns
        -------
        int64, (n_subsets,)
            In steps of 2^-32.
        """
        if self.has_holes:  # shares are of those who answer
            return self._each(kernels.sum_distances, moves.neighbour_distances, subsets, around, (self.n_samples,))
        if around is None:
            squared = self._products.of_lists(*_lists(subsets))
        else:
            squared = self._products.of_neighbours(around, (subsets ^ around).argmax(axis=1))
        total = np.asarray(subsets @ self.full, np.float64)
        some = np.maximum(total, 1)
        distance = squared / some**2 - 2 * (subsets @ self._products.for_truth) / some + self.n_samples
        return np.asarray(np.rint(distance * FINE), np.int64)

    def neighbour_errors(self, subset: np.ndarray, movers: np.ndarray | None = None) -> np.ndarray:
        """See `Tally.neighbour_errors`."""
        movers = np.arange(self.n_members) if movers is None else movers
        members, leaves = np.flatnonzero(subset), subset[movers]
        errors = self._moved(members, movers, leaves)
        if len(members) == 1:
            errors[leaves] = self.n_samples
        return errors

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """See `Tally.swap_errors`."""
        members, joiners = np.flatnonzero(subset), np.flatnonzero(~subset)
        laid_out, rest = self._with_ties, (self.n_members, self.units.most, members, joiners)
        work = len(members) * (len(joiners) + 2)
        return self._summed(lambda part: moves.swap_errors(*laid_out, *part, *rest), work)

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """See `Tally.joined_errors`; an `InputError` says if sums take more than 32 bits."""
        check_sums(int(multiset @ self.full) + int(self.full.max()))
        members = np.repeat(np.arange(self.n_members), multiset)
        return self._moved(members, movers, np.zeros(len(movers), bool))

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """See `Tally.multiset_errors`; an `InputError` says if sums take more than 32 bits."""
        if len(multisets):
            check_sums(int((multisets @ self.full).max()))
        rows = np.broadcast_to(np.arange(self.n_members), multisets.shape)
        members = np.repeat(rows.ravel(), multisets.ravel())
        return self._errors(members, np.concatenate([[0], np.cumsum(multisets.sum(axis=1), dtype=np.int64)]))

    @cached_property
    def _products(self) -> BallotProducts:
        return BallotProducts.of(self.units, self.n_samples * int(self.full.sum()) ** 2)

    def _outcomes(self, members: np.ndarray, begins: np.ndarray) -> Outcomes:
        sums = np.empty((3, len(begins) - 1, self.n_samples), np.int32)
        right = np.empty(sums.shape[1:], bool)
        laid_out, rest = self._with_ties, (self.n_members, members, begins, sums, right)
        self._over_units(lambda part: kernels.fill_outcomes(*laid_out, *part, *rest), len(members))
        return Outcomes(sums[0], sums[1], sums[2], right)

    def _errors(self, members: np.ndarray, begins: np.ndarray) -> np.ndarray:
        laid_out, rest = self._with_ties, (self.n_members, members, begins)
        return self._summed(lambda part: kernels.count_errors(*laid_out, *part, *rest), len(members))

    def _moved(self, members: np.ndarray, movers: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        laid_out, rest = self._with_ties, (self.n_members, self.units.most, members, movers, leaves)
        work = len(members) + len(movers)
        return self._summed(lambda part: moves.neighbour_errors(*laid_out, *part, *rest), work)

    @property
    def _with_ties(self) -> tuple[np.ndarray, ...]:
        return self.units.ballots, self.units.ties, self.units.first_slot

    @property
    def _without_ties(self) -> tuple[np.ndarray, ...]:
        return self.units.ballots, self.units.first_slot

    def _each(
        self,
        kernel: Callable[..., np.ndarray],
        neighbours: Callable[..., np.ndarray],
        subsets: np.ndarray,
        around: np.ndarray | None,
        rest: tuple[object, ...],
    ) -> np.ndarray:
        """Sums of a kernel for each subset, or of the kernel for neighbours of ``around``."""
        if around is None:
            members, begins = _lists(subsets)
            lists = (self.n_members, members, begins)
            return self._summed(lambda part: kernel(*self._without_ties, *part, *lists, *rest), len(members))
        members, movers = np.flatnonzero(around), (subsets ^ around).argmax(axis=1)
        moved = (self.n_members, members, movers, around[movers])
        return self._summed(
            lambda part: neighbours(*self._without_ties, *part, *moved, *rest), len(members) + len(movers)
        )

    def _summed(self, work: Callable[[tuple[int, int]], np.ndarray], n_ballots: int) -> np.ndarray:
        return np.asarray(sum(self._over_units(work, n_ballots)))

    def _over_units(self, work: Callable[[tuple[int, int]], np.ndarray], n_ballots: int) -> list[np.ndarray]:
        """Apply ``work`` to ranges of units (first, last), one per thread, if so many ballots of each are worth it."""
        n_threads = min(threads(), 1 + n_ballots * int(self.units.first_slot[-1]) * LANES // THREAD_BALLOTS)
        return in_ranges(work, len(self.units), n_threads)


def _lists(subsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Members of all subsets, one after another, and where each begins: int64, (n,) and (n_subsets + 1,)."""
    members = np.nonzero(subsets)[1]
    sizes = np.count_nonzero(subsets, axis=1)
    return members, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
