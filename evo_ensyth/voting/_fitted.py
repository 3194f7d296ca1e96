"""Vote rules fitted to the search split of a pool."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evo_ensyth.engine import Tally
from evo_ensyth.errors import InputError
from evo_ensyth.pool import Votes
from evo_ensyth.voting._ensemble_vote import EnsembleVote, Weights, fitted_to, whole_numbers
from evo_ensyth.voting._refitted import RefittedVotes
from evo_ensyth.voting._tempering import temperatures

if TYPE_CHECKING:
    from evo_ensyth.voting import VoteRule

TIES_IN_WORDS = {"scores": "ties by probabilities", "log_odds": "ties by log-odds", "": "ties to the lowest class"}


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
        return RefittedVotes(self.rule, self.search, votes)

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


def _tie_weights(rule: "VoteRule", ties: str, search: Votes) -> Weights:
    from evo_ensyth.voting.log_odds import LogOdds

    n = search.n_members
    if ties == "log_odds":
        return Weights(whole_numbers(LogOdds().weights(search)), (0,) * n, (1.0,) * n)
    temper = getattr(rule, "temper", False)
    return Weights((0,) * n, (1,) * n, tuple(temperatures(search).tolist()) if temper else (1.0,) * n)
