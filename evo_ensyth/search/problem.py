"""What is asked: the subsets of a pool that are best by some objectives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from evo_ensyth.engine import Planes, SoftVotes
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, judge
from evo_ensyth.objectives.error import error
from evo_ensyth.pool import Parent, Pool, Votes
from evo_ensyth.search.constraints import Bound


@dataclass(frozen=True)
class Problem:
    """A pool, its votes, and the objectives. Checks itself when built.

    Attributes
    ----------
    name : str
        Its results lie in ``runs/<name>``.
    pool : Pool
    search : Votes
        The split on which subsets are judged while they are chosen.
    test : Votes, optional
        The split on which the chosen ones are judged, once, afterwards. Selectors never see it.
    objectives : tuple of Objective
        Smaller is better.
    parent : Parent, optional
        What the members were made from, to compare ensembles with once they are chosen.
    bounds : tuple of Bound
        What ensembles have to keep to on the search split; those that do not are never chosen.

    Raises
    ------
    InputError
        Parts that do not belong together.
    """

    name: str
    pool: Pool
    search: Votes
    test: Votes | None
    objectives: tuple[Objective, ...]
    parent: Parent | None = None
    bounds: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        for votes in filter(None, (self.search, self.test)):
            if votes.n_members != len(self.pool):
                raise InputError(
                    f"problem '{self.name}': the {votes.split} split holds {votes.n_members} members, "
                    f"the pool {len(self.pool)}."
                )
            answers = self.parent.y_pred.get(votes.split) if self.parent else None
            if answers is not None and answers.shape != votes.y_true.shape:
                raise InputError(
                    f"problem '{self.name}': the parent's answers on the {votes.split} split have shape "
                    f"{answers.shape}; expected {votes.y_true.shape}."
                )
        if not self.objectives:
            raise InputError(f"problem '{self.name}' has no objective; give it at least one.")
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise InputError(f"objective '{max(names, key=names.count)}' stands twice; name each once.")

    def with_objectives(self, objectives: tuple[Objective, ...]) -> "Problem":
        """Ask the same of the same pool by other objectives."""
        other = replace(self, objectives=objectives)
        # The same votes need not be laid out twice, nor the same scores.
        other.__dict__["_search_planes"] = self._search_planes
        other.__dict__["_prepared_scores"] = self._prepared_scores
        return other

    def within(self, bounds: tuple[Bound, ...]) -> "Problem":
        """Ask the same within other bounds."""
        return replace(self, bounds=bounds)

    def among(self, members: np.ndarray) -> "Problem":
        """Ask the same of some members alone.

        Parameters
        ----------
        members : int64, (n,)
            Their positions in the pool. From now on they are numbered in this order.
        """
        test = self.test.part(members) if self.test else None
        return replace(self, pool=self.pool.part(members), search=self.search.part(members), test=test)

    @property
    def criterion(self) -> Objective:
        """What leads where one of many neighbours is to be taken: the error if asked for, else what comes first."""
        return next((goal for goal in self.objectives if goal.name == error.name), self.objectives[0])

    def led_by(self, criterion: Objective) -> "Problem":
        """Ask the same by another criterion in the place of the error, if the error is asked for."""
        if criterion.name == error.name or all(goal.name != error.name for goal in self.objectives):
            return self
        others = (goal for goal in self.objectives if goal.name not in (error.name, criterion.name))
        return self.with_objectives((criterion, *others))

    def on_search(self, subsets: np.ndarray) -> Ensembles:
        """Form ensembles on the search split."""
        return Ensembles(subsets, self.pool, self.search, self._search_planes, self._prepared_scores)

    def on_test(self, subsets: np.ndarray) -> Ensembles | None:
        """Form ensembles on the test split, if there is one. For `run` alone, once selection is over."""
        return Ensembles(subsets, self.pool, self.test, Planes.of(self.test)) if self.test else None

    @cached_property
    def reference(self) -> np.ndarray:
        """float64, (n_objectives,): reference point for hypervolumes.

        A tenth beyond the worst of the single members and the whole pool. It follows from the problem alone, so that
        hypervolumes of different runs can be compared.
        """
        plain = np.concatenate([np.eye(len(self.pool), dtype=bool), np.ones((1, len(self.pool)), dtype=bool)])
        worst = judge(self.objectives, self.on_search(plain)).max(axis=0)
        return np.asarray(worst + 0.1 * np.where(worst == 0, 1.0, np.abs(worst)))

    @cached_property
    def _search_planes(self) -> Planes:
        return Planes.of(self.search)

    @cached_property
    def _prepared_scores(self) -> Callable[[], SoftVotes]:
        return cache(lambda: SoftVotes.of(self.search.scores))
