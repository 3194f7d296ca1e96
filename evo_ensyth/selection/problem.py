"""A selection problem: find the subsets of a pool that are best by some objectives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, check_cost_names, find, judge
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.selection.constraints import Constraint


@dataclass(frozen=True, init=False)
class Problem:
    """A pool and the objectives by which its subsets are evaluated. Validated on construction.

    Attributes
    ----------
    pool : Pool
    objectives : tuple of Objective
        Smaller is better. May be given by name: an objective of the package, a cost of the pool, or a dotted name.
    constraints : tuple of Constraint
        Limits that ensembles must keep on the search split; ensembles that violate them are never selected.
    name : str, optional
        Results are stored in ``runs/<name>``. Defaults to the pool's name.
    known : tuple of Objective
        Further objectives that can be looked up by name, such as those of a problem module.

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

    def __init__(
        self,
        pool: Pool,
        objectives: str | Objective | Sequence[str | Objective] = ("error", "n_members"),
        constraints: Sequence[Constraint] = (),
        name: str = "",
        known: Sequence[Objective] = (),
    ) -> None:
        set_field = partial(object.__setattr__, self)
        check_cost_names(pool.costs)
        set_field("pool", pool)
        set_field("constraints", tuple(constraints))
        set_field("name", name or pool.name)
        set_field("known", tuple(known))
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
        return Problem(self.pool, objectives, self.constraints, self.name, self.known)

    def with_constraints(self, constraints: tuple[Constraint, ...]) -> "Problem":
        """Return the same problem with other constraints."""
        return replace(self, constraints=constraints)

    def among(self, members: np.ndarray | Sequence[str]) -> "Problem":
        """Return the same problem restricted to some members; see `Pool.part`."""
        return replace(self, pool=self.pool.part(members))

    @property
    def asks_for_error(self) -> bool:
        """Whether one of the objectives is the error of the plurality vote."""
        return any(goal.counts == "errors" for goal in self.objectives)

    @property
    def guide(self) -> Objective:
        """The objective used to choose among neighbours: the error if it is an objective, otherwise the first one."""
        return next((goal for goal in self.objectives if goal.counts == "errors"), self.objectives[0])

    def guided_by(self, guide: Objective) -> "Problem":
        """Return the same problem with ``guide`` in place of the error, if the error is an objective."""
        if guide.counts == "errors" or not self.asks_for_error:
            return self
        others = (goal for goal in self.objectives if goal.counts != "errors" and goal.name != guide.name)
        return self.with_objectives((guide, *others))

    def on_search(self, subsets: np.ndarray) -> Ensembles:
        """Build ensembles on the search split."""
        return Ensembles(subsets, self.pool.members, self.search)

    def on_test(self, subsets: np.ndarray) -> Ensembles | None:
        """Build ensembles on the test split, if there is one. Only for `run`, once selection is over."""
        return Ensembles(subsets, self.pool.members, self.test) if self.test else None

    @cached_property
    def reference(self) -> np.ndarray:
        """Reference point for hypervolumes: float64, (n_objectives,).

        A tenth beyond the worst value among the single members and the whole pool. It depends only on the problem, so
        that hypervolumes of different runs can be compared.
        """
        plain = np.concatenate([np.eye(len(self.pool), dtype=bool), np.ones((1, len(self.pool)), dtype=bool)])
        worst = judge(self.objectives, self.on_search(plain)).max(axis=0)
        return np.asarray(worst + 0.1 * np.where(worst == 0, 1.0, np.abs(worst)))
