"""Run one method on one draw: it selects on the search part and is judged on the test part, which it never sees.

`generalisation.py` repeats this. Nothing here knows about tables, processes or files of results.
"""

import functools
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evo_ensyth import objectives, plugins, voting
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_predictions
from evo_ensyth.pool import Members, Pool, Scores, Votes
from evo_ensyth.results.pick import by_size_rule
from evo_ensyth.selection import selectors
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.recommendation import RULES
from evo_ensyth.selection.run import run as search_with
from evo_ensyth.voting import VoteRule

# Increase it whenever the content of `played` changes, so that earlier results are not reused.
FORMAT = 3
# Fewer samples than these say too little; more than these add little.
FEWEST_TEST = 300
MOST_TEST = 20_000
# What the size rule may give up: the share of the package and others.
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, eq=False)
class Everything:
    """A pool with the samples of all its splits.

    Attributes
    ----------
    name : str
    pool : Members
    votes : Votes
    """

    name: str
    pool: Members
    votes: Votes


@dataclass(frozen=True)
class Method:
    """A selector, the objective that leads its search, the vote rule, and the rule that recommends.

    Attributes
    ----------
    name : str
        ``SELECTOR@OBJECTIVE+VOTE:TIES/RULE``; all but the selector may be left out and are then those of the package.
    """

    name: str

    def __post_init__(self) -> None:
        selectors.load(self.selector)
        if self.rule not in RULES:
            raise plugins.unknown("rule", self.rule, RULES)
        self.vote  # noqa: B018 - raises where there is no such vote rule

    @functools.cached_property
    def _parts(self) -> re.Match[str]:
        form = r"(?P<selector>[^@+/]+)(@(?P<objective>[^+/]+))?(\+(?P<vote>[^:/]+)(:(?P<ties>[^/]+))?)?(/(?P<rule>.+))?"
        found = re.fullmatch(form, self.name)
        if not found:
            raise InputError(f"'{self.name}' is no method; write SELECTOR@OBJECTIVE+VOTE:TIES/RULE.")
        return found

    @property
    def selector(self) -> str:
        """The selector."""
        return self._parts["selector"]

    @property
    def objective(self) -> str | None:
        """The objective that leads the search besides the number of members; that of the vote rule if None."""
        return self._parts["objective"]

    @property
    def rule(self) -> str:
        """How an ensemble is recommended."""
        return self._parts["rule"] or "size_rule"

    @property
    def vote(self) -> VoteRule:
        """The vote rule."""
        ties = self._parts["ties"]
        return voting.load(self._parts["vote"] or "plurality", {"ties": ties} if ties else None)

    def suits(self, everything: Everything) -> bool:
        """Whether the pool has the scores that the vote rule adds.

        Raises
        ------
        InputError
            There is no such objective.
        """
        objectives.find(self.objective or "error", everything.pool)
        return self.vote.adds == "labels" or everything.votes.has_scores


def read(path: Path) -> Everything:
    """All samples of a stored pool (a folder with ``pool.json``) or of a file of predictions.

    Raises
    ------
    InputError
        Neither can be read there.
    """
    if path.is_dir():
        stored = read_pool(path)
        return Everything(stored.problem, stored.pool.members, _joined([stored.pool.search, stored.pool.test]))
    predictions = read_predictions(path, test_share=0)
    parts = [predictions.search] if predictions.test is None else [predictions.search, predictions.test]
    name = path.parent.name if path.stem == "predictions" else path.stem
    return Everything(name, predictions.members, _joined(parts))


@functools.lru_cache(2)  # all methods of a draw come one after the other
def draw(everything: Everything, n_search: int, repeat: int, seed: int) -> tuple[Votes, Votes]:
    """Search part and test part, the same for every method.

    Returns
    -------
    Votes, Votes
        `n_search` samples drawn without replacement, and of the others `MOST_TEST` at most.
    """
    name = int.from_bytes(hashlib.sha256(everything.name.encode()).digest()[:8])
    order = np.random.default_rng([seed, name, n_search, repeat]).permutation(everything.votes.n_samples)
    parts = np.sort(order[:n_search]), np.sort(order[n_search : n_search + MOST_TEST])
    search, test = (everything.votes.part(samples=part, split="search") for part in parts)
    return search, test


def played(
    everything: Everything, n_search: int, repeat: int, method: Method, *, budget: int, seed: int, n_folds: int = 0
) -> dict[str, Any]:
    """Search on one part, judge what is recommended on the other.

    Returns
    -------
    dict
        ``errors`` and ``errors_on_search`` of the ensemble ``recommended``; ``shares``, for each of `SHARES` the errors
        on the test part and the size of what the size rule would take; ``estimated``, the errors on the held-out
        samples of the folds, or None; ``seconds`` of the search.
    """
    search, test = draw(everything, n_search, repeat, seed)
    goals = None if method.objective is None else (method.objective, "n_members")
    problem = Problem(Pool(everything.pool, search, name="unseen"), goals, vote=method.vote)
    run = search_with(
        problem,
        method.selector,
        budget=max(budget, 2 * len(everything.pool) * (len(everything.pool) + 5)),  # covers every greedy path
        seed=seed + repeat,
        recommend_by=method.rule,
        n_folds=n_folds,
    )
    criteria = np.array([ensemble.criterion for ensemble in run.front])
    sizes = np.array([ensemble.size for ensemble in run.front])
    taken = [run.front[by_size_rule(criteria, sizes, share)] for share in SHARES]
    subsets = np.zeros((1 + len(taken), len(everything.pool)), bool)
    for subset, ensemble in zip(subsets, (run.recommended, *taken), strict=True):
        subset[list(ensemble.indices)] = True
    errors, *of_shares = problem.fitted_vote.tally(test).errors(subsets).tolist()
    return {
        "n_test": test.n_samples,
        "recommended": list(run.recommended.indices),
        "errors": errors,
        "errors_on_search": run.recommended.search_errors,
        "shares": [[wrong, ensemble.size] for wrong, ensemble in zip(of_shares, taken, strict=True)],
        "estimated": run.estimate.n_errors if run.estimate else None,
        "seconds": round(run.front.seconds, 4),
    }


def check(everything: Everything, n_search: int, methods: Sequence[Method], *, budget: int, seed: int) -> None:
    """Recount one repeat by hand, for every method whose members vote by plurality; the pool has no scores.

    Raises
    ------
    InputError
        Some number differs.
    """
    search, test = draw(everything, n_search, 0, seed)
    for method in methods:
        ties = getattr(method.vote, "ties", None)
        if ties is None:
            continue
        odds = log_odds_by_hand(search) if ties in ("auto", "log_odds") else [0.0] * search.n_members
        found = played(everything, n_search, 0, method, budget=budget, seed=seed)
        for what, part in (("errors", test), ("errors_on_search", search)):
            by_hand = wrong_by_hand(part, found["recommended"], odds)
            if found[what] != by_hand:
                raise InputError(f"{method.name}: '{what}' is {found[what]}; by hand it is {by_hand}.")


def wrong_by_hand(votes: Votes, members: Sequence[int], odds: Sequence[float]) -> int:
    """Count the slow way: the most votes win, then the largest sum of the voters' `odds`, then the lowest class."""
    wrong = 0
    for sample, right in enumerate(votes.y_true.tolist()):
        sums = [[0.0, 0.0] for _ in range(votes.n_classes)]
        for member in members:
            answer = sums[votes.y_pred[member, sample]]
            answer[0] += 1
            answer[1] = round(answer[1] + odds[member], 9)
        wrong += sums.index(max(sums)) != right
    return wrong


def log_odds_by_hand(votes: Votes) -> list[float]:
    """What breaks ties without scores: every member's smoothed log-odds of being right, 0 at the least."""
    wrong_classes = len(set(votes.y_true.tolist())) - 1
    n_wrong = [sum(row != votes.y_true) for row in votes.y_pred]
    return [max(0.0, math.log((votes.n_samples - n + 1) / (n + 1) * wrong_classes)) for n in n_wrong]


def _joined(parts: Sequence[Votes]) -> Votes:
    """All samples as one split."""
    labels = np.concatenate([part.y_pred for part in parts], axis=1)
    truth = np.concatenate([part.y_true for part in parts])

    def read_scores() -> Scores:
        by_member = zip(*(part.scores.members for part in parts), strict=True)
        return Scores([np.concatenate(rows) for rows in by_member], truth, "search")

    scored = all(part.has_scores for part in parts)
    groups = [part.groups for part in parts if part.groups is not None]
    joined_groups = np.concatenate(groups) if len(groups) == len(parts) else None
    n_classes = parts[0].n_classes
    return Votes(labels, truth, n_classes, "search", read_scores if scored else None, joined_groups)
