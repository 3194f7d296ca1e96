"""What is asked: the subsets of a pool that are best by some objectives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, find, judge
from evo_ensyth.pool import Pool, Votes
from evo_ensyth.selection.constraints import Constraint


@dataclass(frozen=True, init=False)
class Problem:
    """A pool and the objectives by which its subsets are judged. Checks itself when built.

    Attributes
    ----------
    pool : Pool
    objectives : tuple of Objective
        Smaller is better. Names will do: those of the package, of the pool's costs, or dotted ones.
    constraints : tuple of Constraint
        What ensembles must keep on the search split; those that do not are never chosen.
    name : str, optional
        Its results lie in ``runs/<name>``; the pool's name by default.
    known : tuple of Objective
        Further objectives that can be asked for by name, such as those of a problem module.

    Raises
    ------
    InputError
        No objective, or one twice.
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
            raise InputError(f"objective '{max(names, key=names.count)}' stands twice; name each once.")

    def find(self, name: str | Objective) -> Objective:
        """Look up an objective by name: among `known` ones, those of the package, and the pool's costs.

        Raises
        ------
        InputError
            There is none of that name.
        """
        return find(name, self.pool.members, self.known)

    @property
    def search(self) -> Votes:
        """The pool's votes on the split on which subsets are judged while they are chosen."""
        return self.pool.search

    @property
    def test(self) -> Votes | None:
        """The pool's votes on the split on which the chosen ones are judged, once, afterwards."""
        return self.pool.test

    def with_objectives(self, objectives: str | Objective | Sequence[str | Objective]) -> "Problem":
        """Ask the same of the same pool by other objectives."""
        return Problem(self.pool, objectives, self.constraints, self.name, self.known)

    def with_constraints(self, constraints: tuple[Constraint, ...]) -> "Problem":
        """Return the same problem with other constraints."""
        return replace(self, constraints=constraints)

    def among(self, members: np.ndarray | Sequence[str]) -> "Problem":
        """Return the same problem about some members alone; see `Pool.part`."""
        return replace(self, pool=self.pool.part(members))

    @property
    def asks_for_error(self) -> bool:
        """Whether one of the objectives is the error of the plurality vote."""
        return any(goal.counts == "errors" for goal in self.objectives)

    @property
    def guide(self) -> Objective:
        """The objective by which one of many neighbours is chosen: the error if asked for, otherwise the first."""
        return next((goal for goal in self.objectives if goal.counts == "errors"), self.objectives[0])

    def guided_by(self, guide: Objective) -> "Problem":
        """Return the same problem with another guiding objective instead of the error, if the error is asked for."""
        if guide.counts == "errors" or not self.asks_for_error:
            return self
        others = (goal for goal in self.objectives if goal.counts != "errors" and goal.name != guide.name)
        return self.with_objectives((guide, *others))

    def on_search(self, subsets: np.ndarray) -> Ensembles:
        """Form ensembles on the search split."""
        return Ensembles(subsets, self.pool.members, self.search)

    def on_test(self, subsets: np.ndarray) -> Ensembles | None:
        """Form ensembles on the test split, if there is one. For `run` alone, once selection is over."""
        return Ensembles(subsets, self.pool.members, self.test) if self.test else None

    @cached_property
    def reference(self) -> np.ndarray:
        """float64, (n_objectives,): reference point for hypervolumes.

        A tenth beyond the worst of the single members and the whole pool. It follows from the problem alone, so that
        hypervolumes of different runs can be compared.
        """
        plain = np.concatenate([np.eye(len(self.pool), dtype=bool), np.ones((1, len(self.pool)), dtype=bool)])
        worst = judge(self.objectives, self.on_search(plain)).max(axis=0)
        return np.asarray(worst + 0.1 * np.where(worst == 0, 1.0, np.abs(worst)))
