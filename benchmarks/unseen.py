"""Run one method on one draw: it selects on the search part and is evaluated on the test part, which it never sees.

`generalisation.py` repeats this. Nothing here knows about tables, processes or files of results.
"""

import contextlib
import hashlib
import inspect
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import evo_ensyth
from evo_ensyth import objectives, plugins, voting
from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_predictions
from evo_ensyth.pool import Members, Pool, Scores, Votes
from evo_ensyth.selection import recommendation, selectors
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.selection.problem import Problem
from evo_ensyth.voting import VoteRule

# Increase it whenever the content of `played` changes, so that earlier results are not reused.
FORMAT = 2
LARGEST_SIZE = 20
PLURALITY = voting.load("plurality", {"ties": "lowest"})
# Fewer samples than these say too little; more than these add little.
FEWEST_TEST = 300
MOST_TEST = 20_000
FAMILIES = (f"{selectors.FOLDER}.", f"{objectives.FOLDER}.")


@dataclass(frozen=True)
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

    @property
    def largest_size(self) -> int:
        """Sizes 1 up to this one are judged."""
        return min(LARGEST_SIZE, len(self.pool))


@dataclass(frozen=True)
class Method:
    """A selector, the objective that leads its search, and the vote rule.

    Attributes
    ----------
    name : str
        ``SELECTOR``, ``SELECTOR@OBJECTIVE``, ``SELECTOR+VOTE`` or ``SELECTOR@OBJECTIVE+VOTE``.
    """

    name: str

    @property
    def selector(self) -> str:
        """The selector."""
        return self.name.partition("+")[0].partition("@")[0]

    @property
    def leading(self) -> str:
        """The leading objective, in addition to the number of members."""
        return self.name.partition("+")[0].partition("@")[2] or "error"

    @property
    def vote(self) -> VoteRule:
        """The vote rule; by default plurality with ties to the lowest class."""
        name = self.name.partition("+")[2]
        return voting.load(name) if name else PLURALITY

    def about(self, pool: Members) -> dict[str, Any]:
        """What its result depends on: settings, and the sources of selector, leading objective and recommending rule.

        Raises
        ------
        InputError
            There is no such selector, objective or vote rule.
        """
        selector, vote = selectors.load(self.selector), self.vote
        objectives.find(self.leading, pool)
        modules = [recommendation, *(sys.modules[type(each).__module__] for each in (selector, vote))]
        if self.leading in objectives.names():
            modules.append(plugins.load(objectives.FOLDER, self.leading, "objective"))
        return {
            "method": self.name,
            "settings": asdict(selector) if is_dataclass(selector) else {},
            "version": evo_ensyth.__version__,
            "sources": _sources(modules),
            "vote": repr(vote),
        }


class Recorder(Evaluator):
    """An evaluator that also keeps the best subset of every size; between equals, the first.

    Attributes
    ----------
    best : bool, (n_members, n_members)
        Row k - 1: the best subset of k members among all that were judged, by the first objective.
    values : float64, (n_members,)
        Its value; infinity where no subset of k members was judged.
    """

    def __init__(self, problem: Problem, budget: int) -> None:
        super().__init__(problem, Budget(budget))
        self.best = np.zeros((len(problem.pool), len(problem.pool)), bool)
        self.values = np.full(len(problem.pool), np.inf)

    # Every judged subset passes through here, including the last batch that the budget cuts short.
    def _keep(self, subsets: np.ndarray, values: np.ndarray, beyond: np.ndarray) -> None:
        super()._keep(subsets, values, beyond)
        sizes = np.count_nonzero(subsets, axis=1)
        best_first = np.lexsort((values[:, 0], sizes))
        _, starts = np.unique(sizes[best_first], return_index=True)
        for row in best_first[starts]:
            if values[row, 0] < self.values[sizes[row] - 1]:
                self.values[sizes[row] - 1] = values[row, 0]
                self.best[sizes[row] - 1] = subsets[row]


@dataclass(frozen=True)
class Offer:
    """The ensembles that a method offers after its search.

    Attributes
    ----------
    exactly : bool, (largest_size, n_members)
        Row k - 1: the best by the leading objective among all subsets of k members that were judged. If there are
        none, the row of the next smaller size; if there is no smaller one, the row of the smallest size.
    up_to : bool, (largest_size, n_members)
        Row k - 1: the best by the leading objective with at most k members; between equals, the smallest.
    recommended : bool, (n_members,)
    evaluations : int
    seconds : float
        Of the search alone.
    """

    exactly: np.ndarray
    up_to: np.ndarray
    recommended: np.ndarray
    evaluations: int
    seconds: float


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
    return Everything(path.stem, predictions.members, _joined(parts))


def draws(everything: Everything, n_search: int, repeat: int, seed: int) -> tuple[Votes, Votes, np.random.Generator]:
    """Search part, test part, and the randomness for the search: the same for every method.

    Returns
    -------
    Votes, Votes, Generator
        `n_search` samples drawn without replacement, and of the others `MOST_TEST` at most.
    """
    name = int.from_bytes(hashlib.sha256(everything.name.encode()).digest()[:8])
    for_parts, for_search = np.random.SeedSequence([seed, name, n_search, repeat]).spawn(2)
    order = np.random.default_rng(for_parts).permutation(everything.votes.n_samples)
    search, test = np.sort(order[:n_search]), np.sort(order[n_search : n_search + MOST_TEST])
    votes = everything.votes
    return votes.part(samples=search, split="search"), votes.part(samples=test, split="test"), _rng(for_search)


def searched(problem: Problem, method: Method, budget: int, rng: np.random.Generator) -> Offer:
    """Let a method search. The budget always covers the paths from which evolutionary selectors start."""
    n_members = len(problem.pool)
    problem.reference  # noqa: B018 - computed now, outside the timed part
    search = Recorder(problem, max(budget, 2 * n_members * (n_members + 5)))
    selector = selectors.load(method.selector)
    started = time.perf_counter()
    with contextlib.suppress(SearchOver):
        selector.select(search, rng)
    seconds = time.perf_counter() - started
    exactly, up_to = offered(search.values, min(LARGEST_SIZE, n_members))
    n_evaluations = search.budget.n_evaluations
    return Offer(search.best[exactly], search.best[up_to], recommended(problem, search), n_evaluations, seconds)


def offered(values: np.ndarray, largest_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes that represent sizes 1 up to `largest_size`, exactly and at most; see `Offer`.

    Parameters
    ----------
    values : float64, (n_members,)
        Best value of each size; infinity where there is none.

    Returns
    -------
    int64, (largest_size,), twice
        Rows of `values`.
    """
    judged = np.flatnonzero(np.isfinite(values))
    exactly, up_to = [], []
    for row in range(largest_size):
        no_larger = judged[judged <= row] if judged[0] <= row else judged[:1]
        exactly.append(no_larger[-1])
        up_to.append(no_larger[values[no_larger].argmin()])
    return np.array(exactly), np.array(up_to)


def recommended(problem: Problem, search: Recorder) -> np.ndarray:
    """The ensemble that a method recommends from its front, by the rule of the package: bool, (n_members,)."""
    front = problem.on_search(search.archive.subsets)
    return front.subsets[recommendation.recommend(problem, front.subsets)]


def played(
    everything: Everything, n_search: int, repeat: int, method: Method, *, budget: int, seed: int
) -> dict[str, Any]:
    """Search on one part, evaluate on the other, and return all results as numbers.

    Returns
    -------
    dict
        ``exactly`` and ``up_to`` hold the numbers of errors on the test part, by size from 1;
        ``exactly_on_search`` the same on the search part.
    """
    search, test, rng = draws(everything, n_search, repeat, seed)
    problem = problem_of(everything.pool, search, method)
    offer = searched(problem, method, budget, rng)

    def errors(subsets: np.ndarray, part: Votes) -> list[int]:
        """Errors on one part of the samples, with the vote fitted to the search part."""
        return [int(n) for n in problem.fitted_vote.tally(part).errors(subsets)]

    one = offer.recommended[None]
    return {
        "n_test": test.n_samples,
        "exactly": errors(offer.exactly, test),
        "exactly_on_search": errors(offer.exactly, search),
        "up_to": errors(offer.up_to, test),
        "recommended": np.flatnonzero(offer.recommended).tolist(),
        "recommended_errors": errors(one, test)[0],
        "recommended_errors_on_search": errors(one, search)[0],
        "evaluations": offer.evaluations,
        "seconds": round(offer.seconds, 4),
    }


def problem_of(pool: Members, search: Votes, method: Method) -> Problem:
    """The problem of a method: its leading objective against the number of members, without a test split."""
    return Problem(Pool(pool, search, name="unseen"), (method.leading, "n_members"), vote=method.vote)


def wrong_by_hand(votes: Votes, subset: Sequence[bool]) -> int:
    """Count the slow way, sample by sample: the most votes win, and ties go to the lowest class."""
    wrong = 0
    for answers, right in zip(votes.y_pred[np.asarray(subset, bool)].T.tolist(), votes.y_true.tolist(), strict=True):
        wrong += max(range(votes.n_classes), key=answers.count) != right
    return wrong


def check(everything: Everything, n_search: int, methods: Sequence[Method], *, budget: int, seed: int) -> None:
    """Recompute one repeat by hand, for every method whose members vote by plurality.

    Raises
    ------
    InputError
        Some number differs.
    """
    search, test, _ = draws(everything, n_search, 0, seed)
    best_first = sorted(range(len(everything.pool)), key=lambda m: wrong_by_hand(search, _only([m], search)))
    for method in methods:
        if method.vote != PLURALITY:
            continue
        _, _, rng = draws(everything, n_search, 0, seed)
        offer = searched(problem_of(everything.pool, search, method), method, budget, rng)
        found = played(everything, n_search, 0, method, budget=budget, seed=seed)
        by_hand: Mapping[str, Any] = {
            "exactly": [wrong_by_hand(test, subset) for subset in offer.exactly],
            "exactly_on_search": [wrong_by_hand(search, subset) for subset in offer.exactly],
            "up_to": [wrong_by_hand(test, subset) for subset in offer.up_to],
            "recommended_errors": wrong_by_hand(test, offer.recommended),
        }
        if method.name == "backward_elimination":
            sizes = range(1, everything.largest_size + 1)
            by_hand = {**by_hand, "exactly": [wrong_by_hand(test, _only(best_first[:k], test)) for k in sizes]}
        for what, expected in by_hand.items():
            if found[what] != expected:
                raise InputError(f"{method.name}: '{what}' is {found[what]}; by hand it is {expected}.")


def _sources(modules: list[ModuleType]) -> dict[str, str]:
    """SHA-256 of the source of some modules, and of every selector's and objective's module that they use."""
    digests: dict[str, str] = {}
    while modules:
        module = modules.pop()
        if module.__name__ not in digests:
            digests[module.__name__] = hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
            used = {getattr(value, "__module__", None) or "" for value in vars(module).values()}
            modules += [sys.modules[name] for name in used if name.startswith(FAMILIES)]
    return digests


def _only(members: Sequence[int], votes: Votes) -> np.ndarray:
    return np.isin(np.arange(votes.n_members), members)


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


def _rng(seed: np.random.SeedSequence) -> np.random.Generator:
    return np.random.default_rng(seed)
