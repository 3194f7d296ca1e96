"""The only interface between a selector and a problem.

Every ensemble that a selector evaluates is counted in the `Budget`, and the non-dominated ones are kept in the
`Archive`, which is the selector's front whenever it stops. Budgets, time limits and Ctrl-C therefore work the same for
every selector. The test split is not available here, so no selector can see it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from evo_ensyth.engine import BitPlanes, PluralityVotes
from evo_ensyth.errors import InputError
from evo_ensyth.executors import Executor
from evo_ensyth.objectives import Ensembles, Objective, judge
from evo_ensyth.objectives.smoothed_error import smoothed_error
from evo_ensyth.results.front import Milestone
from evo_ensyth.selection.archive import Archive
from evo_ensyth.selection.budget import Budget, SearchOver
from evo_ensyth.selection.constraints import penalised, violations
from evo_ensyth.selection.problem import Problem
from evo_ensyth.selection.scratch import Scratch

# Most predictions held at once for a block of ensembles, if an objective needs them: 64 MB at one byte each.
BLOCK_PREDICTIONS = 64_000_000
LARGEST_BLOCK = 4_096
# Members of the largest pool for which losses are tabulated by size and margin: 17 MB.
MOST_IN_TABLES = 1_024


class Evaluated(NamedTuple):
    """Result of `Evaluator.evaluate`, one row or entry per subset.

    Attributes
    ----------
    values : float64, (n_subsets, n_objectives)
        Smaller is better.
    violations : float64, (n_subsets,)
        How far the subset exceeds the problem's constraints; 0 if it keeps them all.
    """

    values: np.ndarray
    violations: np.ndarray

    @property
    def penalised(self) -> np.ndarray:
        """The values with a penalty for violations, for minimisation; see `constraints.penalised`."""
        return penalised(self.values, self.violations)


class Evaluator:
    """Evaluates subsets on the search split, within a budget, and keeps the best in an archive.

    Parameters
    ----------
    problem : Problem
    budget : Budget, optional
        Unlimited by default: the selector stops by its own rule.
    on_milestone : function of Milestone, optional
        Called after each batch.
    on_message : function of str, optional
        Called with the progress messages of a long-running selector.
    scratch : Scratch, optional
        Folder where a long-running selector may store what it needs to resume after an interruption.
    executor : Executor, optional
        Who does work that a selector can divide.

    Attributes
    ----------
    pool : Members
        Names and costs.
    votes : Votes
        The search split.
    objectives : tuple of Objective
    leading : Objective
        The objective used to choose among neighbours; see `Problem.leading`.
    tally : Tally
        Counts votes on the search split by the vote rule of the problem.
    constraints : tuple of Constraint
    budget : Budget
    archive : Archive
        The non-dominated subsets among those evaluated so far that keep the constraints.
    nearest : bool, (n_members,), optional
        With constraints: the first subset with the smallest violation so far.
    proven_sizes : list of int
        Sizes for which it is proven that no ensemble has a lower leading objective than the best of the archive up to
        that size.
    """

    def __init__(
        self,
        problem: Problem,
        budget: Budget | None = None,
        *,
        on_milestone: Callable[[Milestone], None] = lambda milestone: None,
        on_message: Callable[[str], None] = lambda message: None,
        scratch: Scratch | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.pool = problem.pool.members
        self.votes = problem.search
        self.objectives = problem.objectives
        self.leading = problem.leading
        self.tally = problem.tally
        self.constraints = problem.constraints
        self.archive = Archive(len(problem.pool), problem.reference)
        self.budget = budget or Budget()
        self.nearest: np.ndarray | None = None
        self.proven_sizes: list[int] = []
        self.scratch = scratch
        self.executor = executor
        self._least_violation = float("inf")
        self._on_milestone = on_milestone
        self._on_message = on_message

    @property
    def planes(self) -> BitPlanes | None:
        """The bit planes, if they alone decide every vote: plurality, ties to the lowest class."""
        tally = self.tally
        return tally.planes if isinstance(tally, PluralityVotes) and tally.second is None else None

    @property
    def smoothed_planes(self) -> BitPlanes | None:
        """The bit planes, if the leading objective is the smoothed error of plurality votes that leave no holes."""
        tally = self.tally
        if self.leading is not smoothed_error or not isinstance(tally, PluralityVotes):
            return None
        return None if tally.planes.holes or len(self.pool) > MOST_IN_TABLES else tally.planes

    def evaluate(self, subsets: np.ndarray, by: Sequence[Objective] = ()) -> Evaluated:
        """Evaluate every objective for every subset, on the search split.

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
            Row i marks the members of subset i.
        by : sequence of Objective, optional
            Return the values of these instead, for a selector that minimises other objectives than the problem's. The
            archive always uses the problem's objectives.

        Returns
        -------
        Evaluated
            Values and constraint violations.

        Raises
        ------
        SearchOver
            The budget did not cover all subsets. Those that it covered are counted, and offered to the archive.
        InputError
            Wrong type or shape, or a subset without members.
        """
        self._check(subsets)
        values, beyond = np.empty((len(subsets), len(by or self.objectives))), np.zeros(len(subsets))
        size = max(1, min(LARGEST_BLOCK, BLOCK_PREDICTIONS // self.votes.n_samples))
        for start in range(0, len(subsets), size):
            block = subsets[start : start + size]
            self.budget.raise_if_done()
            covered = block[: int(min(self.budget.remaining, len(block)))]
            self.budget.spend(len(covered))
            ensembles, rows = self._ensembles(covered), slice(start, start + len(covered))
            own_values = judge(self.objectives, ensembles)
            values[rows] = judge(by, ensembles) if by else own_values
            beyond[rows] = self._violations(ensembles)
            self._keep(covered, own_values, beyond[rows])
            if len(covered) < len(block):
                raise SearchOver
        return Evaluated(values, beyond)

    def neighbour_errors(self, subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Number of errors after each of the candidates joins or leaves a subset.

        Each neighbour counts as one evaluation, but all of them together take little longer than one. They do not
        enter the archive: call `evaluate` on the one you choose.

        Parameters
        ----------
        subset : bool, (n_members,)
            Not empty.
        candidates : bool, (n_members,)
            The members to flip.

        Returns
        -------
        int64, (n_members,)
            Larger than the number of samples for members that are not candidates.
        """
        movers = np.flatnonzero(candidates)
        self.budget.spend(len(movers))
        errors = np.full(len(candidates), self.votes.n_samples + 1)
        errors[movers] = self.tally.neighbour_errors(subset, movers)
        return errors

    def neighbour_values(self, subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Value of the leading objective after each of the candidates joins or leaves a subset.

        Each neighbour counts as one evaluation. They do not enter the archive: call `evaluate` on the one you choose.

        Parameters
        ----------
        subset : bool, (n_members,)
            Not empty.
        candidates : bool, (n_members,)
            The members to flip. The only member of a subset may not be among them.

        Returns
        -------
        float64, (n_members,)
            Infinity for members that are not candidates.
        """
        values = np.full(len(subset), np.inf)
        movers = np.flatnonzero(candidates)
        if self.leading.counts == "errors":
            errors = self.neighbour_errors(subset, candidates)
            values[movers] = errors[movers] / self.votes.n_samples
        else:
            self.budget.spend(len(movers))
            neighbours = np.repeat(subset[None], len(movers), axis=0)
            neighbours[np.arange(len(movers)), movers] ^= True
            values[movers] = judge((self.leading,), replace(self._ensembles(neighbours), around=subset))[:, 0]
        return values

    def keeping_constraints(self, subset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Those of the candidates that may join or leave a subset: bool, (n_members,).

        With constraints, the neighbours that keep them; where neither they nor the subset do, those that come nearest.

        Parameters
        ----------
        subset, candidates : bool, (n_members,)
            As for `neighbour_values`.
        """
        movers = np.flatnonzero(candidates)
        if not self.constraints or not len(movers):
            return candidates
        around = np.repeat(subset[None], len(movers) + 1, axis=0)
        around[np.arange(len(movers)), movers] ^= True
        beyond = violations(self.constraints, self._ensembles(around))
        allowed = np.zeros_like(candidates)
        allowed[movers] = beyond[:-1] == (0 if beyond[-1] == 0 else beyond[:-1].min())
        return allowed

    def members_within(self, share: float) -> np.ndarray:
        """Members that alone need at most a share of every upper limit: bool, (n_members,)."""
        alone = self._ensembles(np.eye(len(self.pool), dtype=bool))
        limits = [one for one in self.constraints if not one.at_least]
        values = judge([one.measure for one in limits], alone) if limits else np.zeros((len(self.pool), 0))
        return np.asarray((values <= share * np.array([one.limit for one in limits])).all(axis=1))

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """Number of errors after each swap of one member of a subset for one outside it.

        Each swap counts as one evaluation; all of them together take about as long as one evaluation per member of the
        subset.

        Parameters
        ----------
        subset : bool, (n_members,)
            Neither empty nor the whole pool.

        Returns
        -------
        int64, (size, n_members - size)
            Row i: the i-th member of the subset leaves; column j: the j-th member outside joins.
        """
        size = int(np.count_nonzero(subset))
        self.budget.spend(size * (len(subset) - size))
        return self.tally.swap_errors(subset)

    def joined_errors(self, multiset: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Number of errors after each of the candidates joins a multiset, or gets one more vote in it.

        Parameters
        ----------
        multiset : int64, (n_members,)
            Votes of each member.
        candidates : bool, (n_members,)

        Returns
        -------
        int64, (n_members,)
            Larger than the number of samples for members that are not candidates.
        """
        movers = np.flatnonzero(candidates)
        self.budget.spend(len(movers))
        errors = np.full(len(candidates), self.votes.n_samples + 1)
        errors[movers] = self.tally.joined_errors(multiset, movers)
        return errors

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """Number of errors of each multiset, in which members may have several votes.

        Each multiset counts as one evaluation. None enters the archive, which holds sets: call `evaluate` on the set of
        its members for that.

        Parameters
        ----------
        multisets : int64, (n_multisets, n_members)
            Votes of each member; no row is all 0.

        Returns
        -------
        int64, (n_multisets,)
        """
        self.budget.spend(len(multisets))
        return self.tally.multiset_errors(multisets)

    def record(self, n_evaluations: int, best: np.ndarray) -> None:
        """Count ensembles that were settled otherwise than by `evaluate`, and offer the best to the archive.

        For proofs: each call is a gain, however long the front stays the same.

        Parameters
        ----------
        n_evaluations : int
            At most the number that remains in the budget.
        best : bool, (n_best, n_members)
            Subsets that may be non-dominated.
        """
        self._check(best)
        self.budget.n_evaluations += n_evaluations
        self.budget.gained()
        values, beyond = np.zeros((0, len(self.objectives))), np.zeros(0)
        if len(best):
            ensembles = self._ensembles(best)
            values, beyond = judge(self.objectives, ensembles), self._violations(ensembles)
        self._keep(best, values, beyond)

    def mark_proven(self, sizes: Sequence[int]) -> None:
        """Set the proven sizes; see `proven_sizes`.

        Parameters
        ----------
        sizes : sequence of int
            All such sizes; they replace the previous ones.
        """
        self.proven_sizes = list(sizes)

    def report_progress(self, message: str) -> None:
        """Report the progress of a long-running selector."""
        self._on_message(message)

    def _ensembles(self, subsets: np.ndarray) -> Ensembles:
        return Ensembles(subsets, self.pool, self.votes, counted_by=self.tally)

    def _violations(self, ensembles: Ensembles) -> np.ndarray:
        beyond = violations(self.constraints, ensembles)
        if self.constraints and beyond.min() < self._least_violation:
            self.nearest, self._least_violation = ensembles.subsets[beyond.argmin()].copy(), float(beyond.min())
        return beyond

    def _keep(self, subsets: np.ndarray, values: np.ndarray, beyond: np.ndarray) -> None:
        if self.constraints:
            subsets, values = subsets[beyond == 0], values[beyond == 0]
        changed = self.archive.add(subsets, values)
        milestone = Milestone(self.budget.n_evaluations, self.budget.elapsed, self.archive.hypervolume)
        if changed:
            self.archive.history.append(milestone)
            self.budget.gained()
        self._on_milestone(milestone)

    def _check(self, subsets: np.ndarray) -> None:
        wanted = f"expected bool, (n_subsets, {len(self.pool)})"
        if subsets.dtype != np.bool_ or subsets.ndim != 2 or subsets.shape[1] != len(self.pool):
            raise InputError(f"subsets have type {subsets.dtype} and shape {subsets.shape}; {wanted}.")
        empty = np.flatnonzero(~subsets.any(axis=1))
        if len(empty):
            raise InputError(f"subset {empty[0]} has no member; give every subset at least one.")
