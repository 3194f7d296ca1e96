"""The one door between a selector and a problem.

Whatever a selector has judged is counted, and what nothing dominates is kept: that is its front, whoever it is and
whenever it is stopped. So a budget, a time limit and Ctrl-C work the same for all of them, and none of them sees the
test split, which is not in here.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evo_ensyth.engine import views
from evo_ensyth.engine.bit_planes import Leg
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, judge
from evo_ensyth.objectives.error import error
from evo_ensyth.results.run import Milestone
from evo_ensyth.search.archive import Front
from evo_ensyth.search.constraints import excess
from evo_ensyth.search.kernels import not_covered
from evo_ensyth.search.problem import Problem

# Answers that a block of ensembles may hold at once, should an objective ask for them: 64 MB at one byte each.
BLOCK_ANSWERS = 64_000_000
MOST_AT_ONCE = 4_096
# More than any objective measures: the least value of what breaks a bound.
BEYOND = 1e30


class SearchOver(Exception):  # noqa: N818 - it is no error
    """The budget or the time is spent, or somebody said stop. Selectors let it pass through."""


class Evaluator:
    """Judges subsets on the search split, within a budget, and remembers the best.

    Parameters
    ----------
    problem : Problem
    budget : int, optional
        Ensembles that may be judged.
    seconds : float, optional
        Time that it may take.
    observe : function of Milestone, optional
        Called after each batch.
    tell : function of str, optional
        Called with what a long selector says of its progress.
    scratch : Path, optional
        A folder where a long selector may keep what it needs to go on after an interruption.

    Attributes
    ----------
    pool : Members
        Names and costs.
    votes : Votes
        The search split.
    objectives : tuple of Objective
    criterion : Objective
        What leads where one of many neighbours is to be taken; see `Problem`.
    bounds : tuple of Bound
    nearest : bool, (n_members,), optional
        What keeps the bounds, if there are any, or comes nearest to it; the first such.
    front : Front
        Non-dominated among all that was judged and kept the bounds.
    spent : int
        Ensembles judged.
    history : list of Milestone
        One for each batch that moved the front.
    stopped : bool
        Whether `stop` was called.
    certified : list of int
        Sizes of which no ensemble makes fewer errors than the front does up to that size.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        budget: int | None = None,
        seconds: float | None = None,
        observe: Callable[[Milestone], None] = lambda milestone: None,
        tell: Callable[[str], None] = lambda text: None,
        scratch: Path | None = None,
    ) -> None:
        self.pool = problem.pool.members
        self.votes = problem.search
        self.objectives = problem.objectives
        self.criterion = problem.criterion
        self.bounds = problem.bounds
        self.nearest: np.ndarray | None = None
        self._least_excess = float("inf")
        self.budget = budget
        self.seconds = seconds
        self.front = Front(np.zeros((0, len(problem.pool)), bool), np.zeros((0, len(problem.objectives))))
        self.spent = 0
        self.history: list[Milestone] = []
        self.certified: list[int] = []
        self.tell = tell
        self.scratch = scratch
        self._ensembles = problem.on_search
        self._reference = problem.reference
        self._observe = observe
        self._start = time.perf_counter()
        self._end: float | None = None
        self.stopped = False

    @property
    def limited(self) -> bool:
        """Whether a budget or a time limit says when to end; if not, the selector does."""
        return self.budget is not None or self.seconds is not None

    @property
    def left(self) -> float:
        """Evaluations left in the budget; infinity without one."""
        return float("inf") if self.budget is None else self.budget - self.spent

    @property
    def hypervolume(self) -> float:
        """Hypervolume of the front so far."""
        return self.history[-1].hypervolume if self.history else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since this evaluator was made, up to its closing."""
        return (self._end or time.perf_counter()) - self._start

    def stop(self) -> None:
        """End the search at its next step, keeping what was found."""
        self.stopped = True

    def close(self) -> None:
        """Stop the clock: the search is over."""
        self._end = time.perf_counter()

    def evaluate(self, subsets: np.ndarray, by: Sequence[Objective] = ()) -> np.ndarray:
        """Value of every objective for every subset, on the search split.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
        by : sequence of Objective, optional
            Those whose values are given back, for a selector that has its own way of judging. The front remains that
            of the problem's.

        Returns
        -------
        float64, (n_subsets, n_objectives)
            Smaller is better. What breaks a bound gets the same value for every objective, larger than those of all
            that keep the bounds, and the larger the further it goes beyond them. So whoever minimises follows the
            rule of Deb et al., "NSGA-II", 2002, section VI: what keeps the bounds dominates what does not, and among
            what does not the smaller excess.

        Raises
        ------
        SearchOver
            Not all of them could be judged. Those that fitted in were, and count.
        InputError
            Wrong type or width, or a subset without a member.
        """
        self._check(subsets)
        values = np.empty((len(subsets), len(by or self.objectives)))
        block = max(1, min(MOST_AT_ONCE, BLOCK_ANSWERS // self.votes.n_samples))
        for start in range(0, len(subsets), block):
            self.go_on()
            some = subsets[start : start + block]
            some = some[: int(min(self.left, len(some)))]
            ensembles = self._ensembles(some)
            some_values = self._judge(self.objectives, ensembles)
            values[start : start + len(some)] = self._judge(by, ensembles) if by else some_values
            self._keep(some, some_values, len(some))
            if start + len(some) < min(start + block, len(subsets)):
                raise SearchOver
        return values

    def neighbour_errors(self, subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Samples that go wrong when one of the candidates joins or leaves a subset.

        All neighbours together cost little more than one evaluation; each of them counts as one. They do not enter the
        front: evaluate the one that is taken.

        Parameters
        ----------
        subset : bool, (n_members,)
            Not empty.
        candidates : bool, (n_members,)
            The members to flip.

        Returns
        -------
        int64, (n_members,)
            More than all samples for members that are no candidates.
        """
        movers = np.flatnonzero(candidates)
        self._spend(len(movers))
        errors = np.full(len(candidates), self.votes.n_samples + 1)
        errors[movers] = views.bit_planes(self.votes).neighbour_errors(subset, movers)
        return errors

    def neighbour_values(self, subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Value of the criterion when one of the candidates joins or leaves a subset.

        Each neighbour counts as one evaluation. They do not enter the front: evaluate the one that is taken.

        Parameters
        ----------
        subset : bool, (n_members,)
            Not empty.
        candidates : bool, (n_members,)
            The members to flip; they leave somebody in the subset.

        Returns
        -------
        float64, (n_members,)
            Infinity for members that are no candidates.
        """
        values = np.full(len(subset), np.inf)
        movers = np.flatnonzero(candidates)
        if self.criterion.name == error.name:
            errors = self.neighbour_errors(subset, candidates)
            values[movers] = errors[movers] / self.votes.n_samples
        else:
            self._spend(len(movers))
            neighbours = np.repeat(subset[None], len(movers), axis=0)
            neighbours[np.arange(len(movers)), movers] ^= True
            values[movers] = judge((self.criterion,), replace(self._ensembles(neighbours), around=subset))[:, 0]
        return values

    def wander(self, subset: np.ndarray, penalty: np.ndarray, temperature: float, chances: np.ndarray) -> Leg:
        """Walk from neighbour to neighbour, drawn by the error rate, as `BitPlanes.wander` has it.

        Each neighbour counts as one evaluation. They do not enter the front: evaluate what is given back. The walk ends
        early where the budget does not cover the next step.
        """
        self.go_on()
        leg = views.bit_planes(self.votes).wander(subset, penalty, temperature, chances, self.left)
        self.spent += leg.n_neighbours
        return leg

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """Samples that go wrong when one member leaves a subset and another joins it.

        Each swap counts as one evaluation; together they cost about as much as one for each member of the subset.

        Parameters
        ----------
        subset : bool, (n_members,)
            Neither empty nor the whole pool.

        Returns
        -------
        int64, (size, n_members - size)
            Row i: the i-th member of the subset leaves; column j: the j-th of the others joins.
        """
        size = int(np.count_nonzero(subset))
        self._spend(size * (len(subset) - size))
        return views.bit_planes(self.votes).swap_errors(subset)

    def joined_errors(self, multiset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Samples that go wrong when one of the candidates joins a multiset, in which some may have several votes.

        Parameters
        ----------
        multiset : int64, (n_members,)
            How often each is in it.
        candidates : bool, (n_members,)

        Returns
        -------
        int64, (n_members,)
            More than all samples for members that are no candidates.
        """
        movers = np.flatnonzero(candidates)
        self._spend(len(movers))
        errors = np.full(len(candidates), self.votes.n_samples + 1)
        errors[movers] = views.bit_planes(self.votes).joined_errors(multiset, movers)
        return errors

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """Samples that go wrong when members vote together, some of them several times.

        Each multiset counts as one evaluation. None enters the front, which holds sets: evaluate its members for that.

        Parameters
        ----------
        multisets : int64, (n_multisets, n_members)
            How often each is in it; no multiset is empty.

        Returns
        -------
        int64, (n_multisets,)
        """
        self._spend(len(multisets))
        return views.bit_planes(self.votes).multiset_errors(multisets)

    def count(self, n_subsets: int, best: np.ndarray) -> None:
        """Count ensembles that were judged by other means than `evaluate`, and keep the best of them.

        Parameters
        ----------
        n_subsets : int
            No more than `left`.
        best : bool, (n_best, n_members)
            Those of them that may belong to the front.
        """
        self._check(best)
        values = np.zeros((0, len(self.objectives)))
        if len(best):
            values = self._judge(self.objectives, self._ensembles(best))
        self._keep(best, values, n_subsets)

    @property
    def over(self) -> bool:
        """Whether the search must end: it was stopped, or its budget or its time is spent."""
        # However little the time, something is judged, so that there is something to tell.
        out_of_time = self.seconds is not None and self.spent > 0 and self.elapsed >= self.seconds
        return self.stopped or self.left <= 0 or out_of_time

    def go_on(self) -> None:
        """Find out whether the search may go on.

        Raises
        ------
        SearchOver
            It may not.
        """
        if self.over:
            raise SearchOver

    def _spend(self, n: int) -> None:
        self.go_on()
        if n > self.left:
            raise SearchOver
        self.spent += n

    def _judge(self, objectives: Sequence[Objective], ensembles: Ensembles) -> np.ndarray:
        values = judge(objectives, ensembles)
        if self.bounds:
            beyond = excess(self.bounds, ensembles)
            values = np.where(beyond[:, None] > 0, BEYOND * (1 + beyond[:, None]), values)
            if beyond.min() < self._least_excess:
                self.nearest, self._least_excess = ensembles.subsets[beyond.argmin()].copy(), float(beyond.min())
        return values

    def _keep(self, subsets: np.ndarray, values: np.ndarray, n_judged: int) -> None:
        self.spent += n_judged
        if self.bounds:
            kept = values[:, 0] < BEYOND
            subsets, values = subsets[kept], values[kept]
        # What the front covers already cannot join it: most batches end here, and no front is built.
        gain = not_covered(self.front.values, values)
        moved = bool(gain.any())
        if moved:
            self.front = self.front.joined(subsets[gain], values[gain])
        volume = self.front.hypervolume(self._reference) if moved else self.hypervolume
        milestone = Milestone(self.spent, self.elapsed, volume)
        if moved:
            self.history.append(milestone)
        self._observe(milestone)

    def _check(self, subsets: np.ndarray) -> None:
        wanted = f"expected bool, (n_subsets, {len(self.pool)})"
        if subsets.dtype != np.bool_ or subsets.ndim != 2 or subsets.shape[1] != len(self.pool):
            raise InputError(f"subsets have type {subsets.dtype} and shape {subsets.shape}; {wanted}.")
        empty = np.flatnonzero(~subsets.any(axis=1))
        if len(empty):
            raise InputError(f"subset {empty[0]} has no member; give every subset at least one.")
