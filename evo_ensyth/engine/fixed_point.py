"""Ballots in whole numbers: weighted labels and shares of scores, tempered and rounded.

The step is the smallest power of two of which the largest full ballot, label weight plus score weight, is no more than
65,535. Every ballot is rounded once to the nearest step, halves to even, so whole-number weights and probabilities that
are multiples of a step lose nothing.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.engine.threads import in_ranges, threads
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.pool.memory import give_back

# Largest ballot, in steps.
LARGEST = 2**16 - 1
# Sums of ballots are added in 32 bits, and those of all classes may be twice a full ballot after rounding.
MOST = 2**30
# Least probability before tempering, so that a member that is sure and wrong does not rule out a class.
LEAST_SHARE = 0.001
# Ballots to prepare per thread for the thread to be worth starting.
THREAD_BALLOTS = 500_000


@dataclass(frozen=True)
class FixedPoint:
    """What each member gives to each class of a sample, in steps.

    Attributes
    ----------
    votes : Votes
    label_weights, score_weights, temperatures : float64, (n_members,)
        See `evo_ensyth.engine.Ballots.of`.
    steps_per_unit : float
        A power of two.
    """

    votes: Votes
    label_weights: np.ndarray
    score_weights: np.ndarray
    temperatures: np.ndarray
    steps_per_unit: float

    @classmethod
    def of(
        cls, votes: Votes, label_weights: np.ndarray, score_weights: np.ndarray, temperatures: np.ndarray | None
    ) -> "FixedPoint":
        """Check the weights, and find the step.

        Raises
        ------
        InputError
            See `evo_ensyth.engine.Ballots.of`.
        """
        label_weights = _checked("label weights", label_weights, votes.n_members)
        score_weights = _checked("score weights", score_weights, votes.n_members)
        if temperatures is None:
            temperatures = np.ones(votes.n_members)
        temperatures = _checked("temperatures", temperatures, votes.n_members)
        if not temperatures.all():
            raise InputError(f"the temperature of member {int(temperatures.argmin())} is 0; it must be above 0.")
        largest = float((label_weights + score_weights).max())
        if not 0 < largest < np.inf:
            raise InputError(f"the largest weight is {largest:g}; it must be above 0 and finite.")
        if score_weights.any() and votes.scores.n_classes != votes.n_classes:
            wanted = f"the labels have {votes.n_classes}"
            raise InputError(f"{votes.split} scores have {votes.scores.n_classes} classes; {wanted}.")
        fixed = cls(votes, label_weights, score_weights, temperatures, steps_per_unit(largest))
        check_sums(int(fixed.full.sum()))
        return fixed

    @property
    def full(self) -> np.ndarray:
        """int64, (n_members,): full ballot of each member."""
        return np.asarray(np.rint((self.label_weights + self.score_weights) * self.steps_per_unit), np.int64)

    def ballots(self, samples: slice) -> np.ndarray:
        """Ballots of some samples: uint16, (n_members, n_samples, n_classes)."""
        shape = (self.votes.n_members, samples.stop - samples.start, self.votes.n_classes)
        ballots = np.empty(shape, np.uint16)
        n_threads = min(threads(), ballots.size // THREAD_BALLOTS)
        in_ranges(lambda part: self._fill(ballots, range(*part), samples), len(ballots), n_threads)
        return ballots

    def _fill(self, ballots: np.ndarray, members: range, samples: slice) -> None:
        for i in members:
            ballot, labels = np.zeros(ballots.shape[1:]), self.votes.y_pred[i, samples]
            answered = np.flatnonzero(labels < self.votes.n_classes)
            if self.score_weights[i] > 0:
                scores = np.asarray(self.votes.scores.members[i][samples])
                shares = tempered(scores, float(self.temperatures[i]))
                np.multiply(shares, self.score_weights[i] * self.steps_per_unit, out=ballot)
                give_back(self.votes.scores.members[i])
                if len(answered) < len(labels):
                    ballot[labels == self.votes.n_classes] = 0
            ballot[answered, labels[answered]] += self.label_weights[i] * self.steps_per_unit
            # Scores in a file, or in the caller's array, may have changed since they were checked.
            if not (ballot.min() >= 0 and ballot.max() < LARGEST + 1):  # False for NaN as well
                raise InputError(f"{self.votes.split} scores of member {i} have changed since they were checked.")
            ballots[i] = np.rint(ballot, out=ballot)


def steps_per_unit(largest: float) -> float:
    """Largest power of two by which the largest full ballot has no more than 65,535 steps."""
    exponent = 16 - math.frexp(largest)[1]
    if round(math.ldexp(largest, exponent)) > LARGEST:
        exponent -= 1
    return 2.0**exponent


def tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Shares of each class: float64, (n_samples, n_classes); see `Ballots.of`.

    Parameters
    ----------
    scores : (n_samples, n_classes)
        At least 0; a common factor of a sample's scores does not matter.
    temperature : float
        Above 1 for more equal shares, below 1 for more unequal ones.
    """
    shares = scores.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        total = shares.sum(axis=1)
        extreme = ~((total >= np.finfo(np.float64).tiny) & (total < np.inf))
        if extreme.any():  # no scores at all, or a sum that is no ordinary number
            most = shares[extreme].max(axis=1, keepdims=True)
            shares[extreme] = np.where(most == 0, 1, np.ldexp(shares[extreme], -np.frexp(most)[1]))
            total[extreme] = shares[extreme].sum(axis=1)
        shares /= total[:, None]
    if temperature == 1:
        return shares
    np.maximum(shares, LEAST_SHARE, out=shares)
    np.power(shares, 1 / temperature, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _checked(what: str, numbers: np.ndarray, n_members: int) -> np.ndarray:
    numbers = np.asarray(numbers, np.float64)
    if numbers.shape != (n_members,):
        raise InputError(f"{what} have shape {numbers.shape}; expected ({n_members},).")
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers < np.inf)))
    if len(wrong):
        raise InputError(f"{what} hold {numbers[wrong[0]]:g} (member {wrong[0]}); they are finite and at least 0.")
    return numbers


def check_sums(largest: int) -> None:
    """Raise an `InputError` if sums of ballots may be larger than 32 bits hold."""
    if largest > MOST:
        raise InputError(
            f"ballots add up to {largest:,} steps; sums are exact up to {MOST:,}: at least 16,384 members."
        )
