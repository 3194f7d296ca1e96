"""Hard limits: what an ensemble has to keep to, whatever it gains by not doing so."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, Objective, find, judge, samples_of_class
from evo_ensyth.pool import Members

# An excess beyond it is as bad as it, so that nothing overflows.
MOST_EXCESS = 1e100


@dataclass(frozen=True)
class Bound:
    """A limit for any objective, cost or share of right answers. Checks itself when built.

    Attributes
    ----------
    measure : Objective
    limit : float
        Allowed itself.
    at_least : bool
        Whether values have to be at least the limit, rather than at most.

    Raises
    ------
    InputError
        A limit that is no finite number.
    """

    measure: Objective
    limit: float
    at_least: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.limit):
            raise InputError(f"the bound of '{self.measure.name}' is {self.limit}; it must be a finite number.")

    @property
    def side(self) -> str:
        """``at_most`` or ``at_least``."""
        return "at_least" if self.at_least else "at_most"

    def excess(self, values: np.ndarray) -> np.ndarray:
        """How far values are beyond the limit, as a share of it unless it is 0: float64, as many; 0 if they keep it."""
        beyond = self.limit - values if self.at_least else values - self.limit
        return np.clip(beyond / (abs(self.limit) or 1.0), 0.0, MOST_EXCESS)

    def __str__(self) -> str:
        return f"{self.measure.name} at {'least' if self.at_least else 'most'} {self.limit:,.6g}"


def excess(bounds: Sequence[Bound], ensembles: Ensembles) -> np.ndarray:
    """Sum over all bounds of how far each ensemble is beyond them: float64, (n_ensembles,); 0 if it keeps all."""
    total = np.zeros(len(ensembles))
    for bound in bounds:
        total += bound.excess(judge([bound.measure], ensembles)[:, 0])
    return total


def broken(bounds: Sequence[Bound], ensembles: Ensembles) -> str:
    """Say which bounds the first ensemble breaks, and by what values."""
    values = judge([bound.measure for bound in bounds], ensembles)[0]
    pairs = [(bound, value) for bound, value in zip(bounds, values, strict=True) if bound.excess(value) > 0]
    return ", ".join(f"{bound.measure.name} is {value:,.6g} ({bound})" for bound, value in pairs)


def read_bounds(
    at_most: Sequence[str], at_least: Sequence[str], pool: Members, own: Sequence[Objective] = ()
) -> tuple[Bound, ...]:
    """Bounds as a user writes them: ``NAME=VALUE``.

    Parameters
    ----------
    at_most, at_least : sequence of str
        NAME is that of an objective, or ``accuracy``, or ``recall_of_class_3``: the share of the samples of class 3
        that the vote gets right.
    pool : Members
        Its costs have names as well.
    own : sequence of Objective
        One's own objectives.

    Raises
    ------
    InputError
        Not of that form, an unknown name, a value that is no finite number, or the same bound twice.
    """
    bounds = []
    for texts, is_least in ((at_most, False), (at_least, True)):
        seen = set()
        for text in texts:
            name, value = (part.strip() for part in text.partition("=")[::2])
            try:
                limit = float(value)
            except ValueError:
                raise InputError(f"'{text}' is no bound; write NAME=VALUE, such as n_members=5.") from None
            if name in seen:
                raise InputError(f"'{name}' is bounded twice; once is enough.")
            seen.add(name)
            bounds.append(Bound(_measure(name, pool, own), limit, is_least))
    return tuple(bounds)


def _measure(name: str, pool: Members, own: Sequence[Objective]) -> Objective:
    """Look up what may be bounded: objectives, and what grows as an error falls, which is nothing to minimise."""
    if name in pool.costs or any(goal.name == name for goal in own):
        return find(name, pool, own)
    if name == "accuracy":
        return Objective(name, _accuracy)
    if number := re.fullmatch(r"recall_of_class_(\d{1,5})", name):
        return Objective(name, partial(_recall, int(number[1])))
    return find(name, pool, own)


# Not 1 - error: of ten samples it makes 0.09999999999999998 of one that is right, which is no 0.1.


def _accuracy(ensembles: Ensembles) -> np.ndarray:
    n_samples = ensembles.votes.n_samples
    return np.asarray((n_samples - ensembles.errors) / n_samples)


def _recall(number: int, ensembles: Ensembles) -> np.ndarray:
    n_samples = samples_of_class(number, ensembles)
    return np.asarray((n_samples - ensembles.errors_by_class[:, number]) / n_samples)
