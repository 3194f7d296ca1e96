"""Vote rules fitted to the search split of a pool."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evo_ensyth.engine import PluralityVotes, Tally, views
from evo_ensyth.engine.ballots import Ballots
from evo_ensyth.engine.plurality import SecondSum
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.voting._tempering import shares, temperatures

if TYPE_CHECKING:
    from evo_ensyth.voting import VoteRule

# Real weights become whole multiples of this share of the largest one, so that sums are exact.
WEIGHT_STEPS = 2**16 - 1
TIES_IN_WORDS = {"scores": "ties by probabilities", "log_odds": "ties by log-odds", "": "ties to the lowest class"}


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

    def tally(self, votes: Votes) -> Tally:
        """Prepare counting the votes of subsets of these members; parameters and errors as for `predict`."""
        if self.weights.adds_scores or len(set(self.weights.label)) > 1:
            return Ballots.of(votes, *(np.array(values, np.float64) for values in vars(self.weights).values()))
        ties = self.ties
        second = None if ties is None else lambda samples: _second_sum(votes, ties, samples)
        return PluralityVotes.of(votes, views.bit_planes(votes), second)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def plain_plurality(n_members: int) -> EnsembleVote:
    """One vote for each member, ties to the lowest class."""
    return EnsembleVote(Weights((1,) * n_members, (0,) * n_members, (1.0,) * n_members))


@dataclass(frozen=True, eq=False)
class FittedVote:
    """A vote rule and what it learned from the search split of a pool.

    Attributes
    ----------
    rule : VoteRule
    search : Votes
        The split that it is fitted to.
    everybody : EnsembleVote, optional
        What every member adds, if that does not depend on the other members.
    """

    rule: "VoteRule"
    search: Votes
    everybody: EnsembleVote | None

    def of(self, subset: np.ndarray) -> EnsembleVote:
        """Return how the members of a subset, bool (n_members,), vote.

        Raises
        ------
        InputError
            Not a subset of this pool, or an empty one; scores that are needed but not available; invalid weights.
        """
        subset = np.asarray(subset)
        if subset.dtype != np.bool_ or subset.shape != (self.search.n_members,) or not subset.any():
            wanted = f"expected bool, ({self.search.n_members},), with at least one member"
            raise InputError(f"the subset has type {subset.dtype} and shape {subset.shape}; {wanted}.")
        members = np.flatnonzero(subset)
        if self.everybody is None:
            return fitted_to(self.rule, self.search.part(members))
        ties = self.everybody.ties
        return EnsembleVote(self.everybody.weights.part(members), None if ties is None else ties.part(members))

    def tally(self, votes: Votes) -> Tally:
        """Prepare counting the votes of any subsets on a split of the pool.

        A rule that is fitted to each ensemble is cross-fitted on the search split: each of five folds is judged by what
        was fitted to the other four.

        Raises
        ------
        InputError
            Scores are needed but not available, or something does not fit in memory.
        """
        if self.everybody is not None:
            return self.everybody.tally(votes)
        from evo_ensyth.voting._refitted import RefittedVotes

        return RefittedVotes(self, votes)

    @property
    def in_words(self) -> str:
        """The rule, for the first line of a report: ``plurality, ties by log-odds``."""
        ties = getattr(self.rule, "ties", None)
        name = type(self.rule).__module__.rpartition(".")[2]
        if ties is not None and self.everybody is not None:
            broken = self.everybody.ties
            by = "" if broken is None else "scores" if broken.adds_scores else "log_odds"
            return f"{name}, {TIES_IN_WORDS[by]}"
        if getattr(self.rule, "temper", False) and self.rule.adds != "labels":
            return f"{name}, tempered"
        return name


def fit(rule: "VoteRule", search: Votes) -> FittedVote:
    """Fit a vote rule to the search split of a pool.

    Parameters
    ----------
    rule : VoteRule
    search : Votes
        The search split of the whole pool.

    Raises
    ------
    InputError
        Scores that are needed but not available; invalid weights.
    """
    if rule.adds not in ("labels", "scores", "both"):
        raise InputError(f"{type(rule).__name__} adds {rule.adds!r}; expected labels, scores or both.")
    everybody = None
    if getattr(rule, "alone", False):
        everybody = fitted_to(rule, search)
        ties = getattr(rule, "ties", "lowest")
        if ties == "auto":
            ties = "scores" if search.has_scores else "log_odds"
        if ties != "lowest":
            everybody = replace(everybody, ties=_tie_weights(rule, ties, search))
    return FittedVote(rule, search, everybody)


def fitted_to(rule: "VoteRule", votes: Votes) -> EnsembleVote:
    """Weights of some members, from their predictions. If all are 0, all get the same weight."""
    n = votes.n_members
    given = np.asarray(rule.weights(votes))
    if given.shape != (n,) or given.dtype.kind not in "iuf" or not ((given >= 0) & (given < np.inf)).all():
        wanted = f"expected {n} finite numbers of at least 0"
        raise InputError(f"{type(rule).__name__} weighs {n} members with {given}; {wanted}.")
    whole = _whole(given) if given.any() else (1,) * n
    none, ones = (0,) * n, (1.0,) * n
    if rule.adds == "labels":
        return EnsembleVote(Weights(whole, none, ones))
    found = tuple(temperatures(votes).tolist()) if getattr(rule, "temper", False) else ones
    return EnsembleVote(Weights(whole if rule.adds == "both" else none, whole, found))


def _tie_weights(rule: "VoteRule", ties: str, search: Votes) -> Weights:
    from evo_ensyth.voting.log_odds import LogOdds

    n = search.n_members
    if ties == "log_odds":
        return Weights(_whole(LogOdds().weights(search)), (0,) * n, (1.0,) * n)
    temper = getattr(rule, "temper", False)
    return Weights((0,) * n, (1,) * n, tuple(temperatures(search).tolist()) if temper else (1.0,) * n)


def _whole(weights: np.ndarray) -> tuple[int, ...]:
    """Weights as whole numbers: as they are, or in steps of the largest one."""
    if weights.dtype.kind != "f":
        return tuple(int(weight) for weight in weights)
    largest = float(weights.max()) or 1.0
    return tuple(round(weight / largest * WEIGHT_STEPS) for weight in weights.tolist())


def _second_sum(votes: Votes, ties: Weights, samples: np.ndarray) -> SecondSum:
    """What breaks ties on some samples."""
    factors = np.array(ties.label, np.int64), np.array(ties.score, np.int64)
    none = np.empty((0, votes.n_members, votes.n_classes), np.uint16)
    return SecondSum(*factors, shares(votes, ties.temperatures, samples) if ties.adds_scores else none)
