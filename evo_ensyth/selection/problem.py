"""A selection problem: find the subsets of a pool that are best by some objectives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from evo_ensyth import voting
from evo_ensyth.engine import Tally
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, check_cost_names, find, judge
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.selection.constraints import Constraint
from evo_ensyth.voting import FittedVote, VoteRule


@dataclass(frozen=True, init=False)
class Problem:
    """A pool and the objectives by which its subsets are evaluated. Validated on construction.

    Attributes
    ----------
    pool : Pool
    objectives : tuple of Objective
        Smaller is better. May be given by name: an objective of the package, a cost of the pool, or a dotted name. By
        default the criterion of the vote rule and the number of members.
    constraints : tuple of Constraint
        Limits that ensembles must keep on the search split; ensembles that violate them are never selected.
    name : str, optional
        Results are stored in ``runs/<name>``. Defaults to the pool's name.
    known : tuple of Objective
        Further objectives that can be looked up by name, such as those of a problem module.
    vote : VoteRule
        How the members decide together; may be given by name. Every objective is evaluated by this vote.

    Raises
    ------
    InputError
        No objective, the same one twice, or a cost with the name of an objective.
    """

    pool: Pool
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    name: str
    known: tuple[Objective, ...]
    vote: VoteRule

    def __init__(
        self,
        pool: Pool,
        objectives: str | Objective | Sequence[str | Objective] | None = None,
        constraints: Sequence[Constraint] = (),
        name: str = "",
        known: Sequence[Objective] = (),
        vote: str | VoteRule = "plurality",
    ) -> None:
        set_field = partial(object.__setattr__, self)
        check_cost_names(pool.costs)
        set_field("pool", pool)
        set_field("constraints", tuple(constraints))
        set_field("name", name or pool.name)
        set_field("known", tuple(known))
        set_field("vote", voting.load(vote))
        if objectives is None:
            objectives = (voting.criterion_of(self.vote), "n_members")
        one = isinstance(objectives, str) or not isinstance(objectives, Iterable)
        wanted: Any = (objectives,) if one else objectives
        set_field("objectives", tuple(map(self.find, wanted)))
        if not self.objectives:
            raise InputError(f"problem '{self.name}' has no objective; give it at least one.")
        names = [objective.name for objective in self.objectives]
        if len(set(names)) < len(names):
            raise InputError(f"objective '{max(names, key=names.count)}' is given twice; name each once.")

    def find(self, name: str | Objective) -> Objective:
        """Look up an objective by name among `known`, those of the package, and the pool's costs.

        Raises
        ------
        InputError
            Unknown name.
        """
        return find(name, self.pool.members, self.known)

    @property
    def search(self) -> Votes:
        """The pool's votes on the search split, on which subsets are selected."""
        return self.pool.search

    @property
    def test(self) -> Votes | None:
        """The pool's votes on the test split, on which selected subsets are evaluated once, at the end."""
        return self.pool.test

    def with_objectives(self, objectives: str | Objective | Sequence[str | Objective]) -> "Problem":
        """Return the same problem with other objectives."""
        return Problem(self.pool, objectives, self.constraints, self.name, self.known, self.vote)

    def voting_by(self, vote: str | VoteRule) -> "Problem":
        """Return the same problem with another vote rule and, if it has the default objectives, those of that rule."""
        objectives = None if self.has_default_objectives else self.objectives
        return Problem(self.pool, objectives, self.constraints, self.name, self.known, vote)

    @property
    def has_default_objectives(self) -> bool:
        """Whether the objectives are those of a problem that names none."""
        return [goal.name for goal in self.objectives] == [voting.criterion_of(self.vote), "n_members"]

    def with_constraints(self, constraints: tuple[Constraint, ...]) -> "Problem":
        """Return the same problem with other constraints."""
        return replace(self, constraints=constraints)

    def among(self, members: np.ndarray | Sequence[str]) -> "Problem":
        """Return the same problem restricted to some members; see `Pool.part`."""
        return replace(self, pool=self.pool.part(members))

    @cached_property
    def fitted_vote(self) -> FittedVote:
        """The vote rule, fitted to the search split."""
        return voting.fit(self.vote, self.search)

    @cached_property
    def tally(self) -> Tally:
        """Counts votes on the search split."""
        return self.fitted_vote.tally(self.search)

    @property
    def leading(self) -> Objective:
        """The objective that leads where there can be only one, such as among neighbours or for a recommendation.

        The error, an estimate of it, or the criterion of the vote rule, if that is an objective; otherwise the first.
        """
        return next(filter(self.is_about_errors, self.objectives), self.objectives[0])

    def is_about_errors(self, objective: Objective) -> bool:
        """Whether an objective is the error, an estimate of it, or the criterion of the vote rule."""
        criterion = voting.criterion_of(self.vote)
        return objective.counts == "errors" or bool(objective.estimates) or objective.name == criterion

    def on_search(self, subsets: np.ndarray) -> Ensembles:
        """Build ensembles on the search split."""
        return Ensembles(subsets, self.pool.members, self.search, counted_by=self.tally)

    def on_test(self, subsets: np.ndarray) -> Ensembles | None:
        """Build ensembles on the test split, if there is one. Only for `run`, once selection is over."""
        if self.test is None:
            return None
        return Ensembles(subsets, self.pool.members, self.test, counted_by=self.fitted_vote.tally(self.test))

    @cached_property
    def reference(self) -> np.ndarray:
        """Reference point for hypervolumes: float64, (n_objectives,).

        A tenth beyond the worst value among the single members and the whole pool. It depends only on the problem, so
        that hypervolumes of different runs can be compared.
        """
        plain = np.concatenate([np.eye(len(self.pool), dtype=bool), np.ones((1, len(self.pool)), dtype=bool)])
        worst = judge(self.objectives, self.on_search(plain)).max(axis=0)
        return np.asarray(worst + 0.1 * np.where(worst == 0, 1.0, np.abs(worst)))
