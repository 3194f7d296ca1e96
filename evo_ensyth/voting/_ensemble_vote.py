"""How the members of one ensemble vote, with everything that was fitted."""

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.engine import PluralityVotes, Tally, views
from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.second_sums import SecondSum
from evo_ensyth.engine.shares import shares_of
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.voting._tempering import shares, temperatures

if TYPE_CHECKING:
    from evo_ensyth.voting import VoteRule

# Real weights become whole multiples of this share of the largest one, so that sums are exact.
WEIGHT_STEPS = 2**16 - 1


@dataclass(frozen=True)
class Weights:
    """What each of n members adds to the sum of a class.

    Attributes
    ----------
    label : tuple of n int
        For the class that the member predicts.
    score : tuple of n int
        Times its probability of the class.
    temperatures : tuple of n float
        Of its probabilities; 1 leaves them as they are.
    """

    label: tuple[int, ...]
    score: tuple[int, ...]
    temperatures: tuple[float, ...]

    def part(self, members: np.ndarray) -> "Weights":
        """Return the weights of some members, int64 (n,)."""
        return Weights(*(tuple(values[i] for i in members.tolist()) for values in vars(self).values()))

    @property
    def adds_scores(self) -> bool:
        """Whether any probability counts."""
        return any(self.score)


@dataclass(frozen=True)
class EnsembleVote:
    """How the members of one ensemble vote: everything that was fitted, for these members alone.

    Attributes
    ----------
    weights : Weights
    ties : Weights, optional
        Decide between the classes that have the largest sum of ``weights``; without them the lowest class wins.
    """

    weights: Weights
    ties: Weights | None = None

    @property
    def needs_scores(self) -> bool:
        """Whether the members' probabilities are needed."""
        return self.weights.adds_scores or (self.ties is not None and self.ties.adds_scores)

    @property
    def is_weighted(self) -> bool:
        """Whether members add ballots of different weights, or shares, rather than one vote each."""
        return self.weights.adds_scores or len(set(self.weights.label)) > 1

    def predict(self, votes: Votes) -> np.ndarray:
        """Label that the members vote for on each sample: type of the labels, (n_samples,).

        Parameters
        ----------
        votes : Votes
            Of these members, in their order, with their scores if they are needed. True classes are not used.

        Raises
        ------
        InputError
            Scores are needed but not available.
        """
        return np.asarray(self.tally(votes).predictions(np.ones((1, votes.n_members), bool))[0])

    def shares(self, votes: Votes) -> np.ndarray:
        """Share of each class in the vote: float64, (n_samples, n_classes); parameters and errors as for `predict`."""
        return shares_of(self.tally(votes).sums(np.ones(votes.n_members, bool)))

    def tally(self, votes: Votes) -> Tally:
        """Prepare counting the votes of subsets of these members; parameters and errors as for `predict`."""
        if self.is_weighted:
            return Ballots.of(votes, *(np.array(values, np.float64) for values in vars(self.weights).values()))
        second = None if self.ties is None else _second_sum(votes, self.ties)
        return PluralityVotes.of(votes, views.bit_planes(votes), second)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def plain_plurality(n_members: int) -> EnsembleVote:
    """One vote for each member, ties to the lowest class."""
    return EnsembleVote(Weights((1,) * n_members, (0,) * n_members, (1.0,) * n_members))


def fitted_to(rule: "VoteRule", votes: Votes) -> EnsembleVote:
    """Weights of some members, from their predictions. If all are 0, all get the same weight."""
    n = votes.n_members
    given = np.asarray(rule.weights(votes))
    if given.shape != (n,) or given.dtype.kind not in "iuf" or not ((given >= 0) & (given < np.inf)).all():
        wanted = f"expected {n} finite numbers of at least 0"
        raise InputError(f"{type(rule).__name__} weighs {n} members with {given}; {wanted}.")
    whole = whole_numbers(given) if given.any() else (1,) * n
    none, ones = (0,) * n, (1.0,) * n
    if rule.adds == "labels":
        return EnsembleVote(Weights(whole, none, ones))
    found = tuple(temperatures(votes).tolist()) if getattr(rule, "temper", False) else ones
    return EnsembleVote(Weights(whole if rule.adds == "both" else none, whole, found))


def whole_numbers(weights: np.ndarray) -> tuple[int, ...]:
    """Weights as whole numbers: as they are, or in steps of the largest one."""
    if weights.dtype.kind != "f":
        return tuple(int(weight) for weight in weights)
    largest = float(weights.max()) or 1.0
    return tuple(round(weight / largest * WEIGHT_STEPS) for weight in weights.tolist())


def _second_sum(votes: Votes, ties: Weights) -> SecondSum:
    """What breaks ties: probabilities, each member's as they are, or one weight for each member."""
    return SecondSum(np.array(ties.label), partial(shares, votes, ties.temperatures) if ties.adds_scores else None)
