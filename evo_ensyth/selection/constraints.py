"""Hard constraints: limits that an ensemble must keep on the search split to be selected."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import ACCURACY, RECALL, Ensembles, Objective, find, judge, samples_of_class
from evo_ensyth.pool import Members
from evo_ensyth.results.limits import beyond

# Larger violations are clipped to this, so that nothing overflows.
LARGEST_VIOLATION = 1e100
# Far larger than any objective's value, and far enough below the largest float to leave room for penalties.
LARGEST_FEASIBLE = 1e300


@dataclass(frozen=True)
class Constraint:
    """A limit for an objective, a cost or a share of correct predictions. Validated on construction.

    Attributes
    ----------
    measure : Objective
    limit : float
        Inclusive.
    at_least : bool
        Whether values must be at least the limit; otherwise they must be at most the limit.

    Raises
    ------
    InputError
        The limit is not a finite number.
    """

    measure: Objective
    limit: float
    at_least: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.limit):
            raise InputError(f"the limit of '{self.measure.name}' is {self.limit}; it must be a finite number.")

    @property
    def side(self) -> str:
        """``at_most`` or ``at_least``."""
        return "at_least" if self.at_least else "at_most"

    def violations(self, values: np.ndarray) -> np.ndarray:
        """How far each value exceeds the limit, relative to the limit unless that is 0; 0 for allowed values.

        A value that is not whole may exceed the limit by rounding; see `beyond`.

        Parameters
        ----------
        values : float64, (n,)

        Returns
        -------
        float64, (n,)
        """
        excess = beyond(-values, -self.limit) if self.at_least else beyond(values, self.limit)
        return np.clip(excess / (abs(self.limit) or 1.0), 0.0, LARGEST_VIOLATION)

    def __str__(self) -> str:
        return f"{self.measure.name} at {'least' if self.at_least else 'most'} {self.limit:,.6g}"


def violations(constraints: Sequence[Constraint], ensembles: Ensembles) -> np.ndarray:
    """Sum of the violations of all constraints: float64, (n_ensembles,); 0 for ensembles that keep them all."""
    total = np.zeros(len(ensembles))
    for constraint in constraints:
        total += constraint.violations(judge([constraint.measure], ensembles)[:, 0])
    return total


def penalised(values: np.ndarray, violations: np.ndarray, largest: float = LARGEST_FEASIBLE) -> np.ndarray:
    """Values for algorithms without support for constraints: minimising them follows Deb's rule.

    A feasible subset dominates an infeasible one; of two infeasible subsets, the one with the smaller violation
    dominates.

    Parameters
    ----------
    values : float64, (n, n_objectives)
    violations : float64, (n,)
        0 for feasible subsets.
    largest : float
        Feasible values are clipped to this, and penalties start at twice this value.

    Returns
    -------
    float64, (n, n_objectives)
        Feasible rows keep their values; infeasible rows hold a single larger number, which grows with the violation.

    References
    ----------
    Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions
    on Evolutionary Computation 6(2), 2002, section VI.
    """
    feasible: np.ndarray = np.minimum(values, largest)
    if not violations.any():
        return feasible
    penalty = 2 * largest * (1 + np.log1p(violations))
    return np.asarray(np.where(violations[:, None] > 0, penalty[:, None], feasible))


def violated(constraints: Sequence[Constraint], ensembles: Ensembles) -> str:
    """List the constraints that the first ensemble violates: ``bytes is 90 (bytes at most 80), ...``."""
    values = judge([constraint.measure for constraint in constraints], ensembles)[0]
    return ", ".join(
        f"{constraint.measure.name} is {value:,.6g} ({constraint})"
        for constraint, value in zip(constraints, values, strict=True)
        if constraint.violations(value) > 0
    )


def constraints_of(
    at_most: Mapping[str, float], at_least: Mapping[str, float], pool: Members, own: Sequence[Objective] = ()
) -> tuple[Constraint, ...]:
    """Constraints from limits by name.

    Parameters
    ----------
    at_most, at_least : mapping of str to float
        Limits by the name of an objective, or ``accuracy``, or ``recall_of_class_3``: the share of the samples of
        class 3 that the vote gets right.
    pool : Members
        The names of its costs are accepted as well.
    own : sequence of Objective
        User-defined objectives.

    Raises
    ------
    InputError
        Unknown name, or a limit that is not a finite number.
    """
    return tuple(
        Constraint(_measure(name, pool, own), _number(name, limit), is_least)
        for limits, is_least in ((at_most, False), (at_least, True))
        for name, limit in limits.items()
    )


def _number(name: str, limit: float) -> float:
    try:
        return float(limit)
    except (TypeError, ValueError):
        raise InputError(f"the limit of '{name}' is {limit!r}; it must be a number.") from None


def _measure(name: str, pool: Members, own: Sequence[Objective]) -> Objective:
    """Look up a measure that may be limited: any objective, or accuracy or recall, which grow as an error falls."""
    if name in pool.costs or any(goal.name == name for goal in own):
        return find(name, pool, own)
    if name == ACCURACY:
        return Objective(name, _accuracy)
    if name.startswith(RECALL) and name != RECALL:
        return Objective(name, partial(_recall, name.removeprefix(RECALL)))
    return find(name, pool, own)


# Not 1 - error: with one correct sample of ten that is 0.09999999999999998, which is below 0.1.


def _accuracy(ensembles: Ensembles) -> np.ndarray:
    n_samples = ensembles.votes.n_samples
    return np.asarray((n_samples - ensembles.errors) / n_samples)


def _recall(name: str, ensembles: Ensembles) -> np.ndarray:
    place, n_samples = samples_of_class(name, ensembles)
    return np.asarray((n_samples - ensembles.errors_by_class[:, place]) / n_samples)
