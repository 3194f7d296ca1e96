"""What ensembles are judged by. Everything is minimised.

An objective is a function of ``Ensembles`` with a name. Here is one file for each that comes with the package; one's
own is a function in one's problem module::

    @objective(unit="ms")
    def latency(ensembles):
        \"\"\"The slowest member, when all run side by side.\"\"\"
        return ensembles.largest("latency_ms")

Any cost that a pool carries is an objective by its name as well: its sum over the members.

Measures of diversity are turned so that they, too, are minimised: 1 stands for members who are all alike, and for a
single one. They say nothing of how good an ensemble is; ask for them beside ``error``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evo_ensyth import catalogue
from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.pool import Pool
from evo_ensyth.voting import Ensembles

__all__ = ["Ensembles", "Objective", "find", "judge", "names", "objective"]

FOLDER = "evo_ensyth.objectives"


@dataclass(frozen=True)
class Objective:
    """A named function of a batch of ensembles; smaller is better.

    Attributes
    ----------
    name : str
    evaluate : function of Ensembles to (n_ensembles,) numbers
    unit : str
        For tables and axes.
    """

    name: str
    evaluate: Callable[[Ensembles], np.ndarray]
    unit: str = ""


def objective(unit: str = "") -> Callable[[Callable[[Ensembles], np.ndarray]], Objective]:
    """Make an objective of a function, by the function's name."""
    return lambda function: Objective(function.__name__, function, unit)


def names() -> tuple[str, ...]:
    """Names of the objectives that come with the package."""
    return catalogue.names(FOLDER)


def find(name: str, pool: Pool, own: Sequence[Objective] = ()) -> Objective:
    """Look an objective up: among one's own, those of the package, and the costs that the pool carries.

    Raises
    ------
    InputError
        There is none of that name.
    """
    for candidate in own:
        if candidate.name == name:
            return candidate
    if name in names():
        found: Objective = catalogue.only(catalogue.load(FOLDER, name, "objective"), Objective)
        return found
    if name in pool.costs:
        return Objective(name, lambda ensembles: ensembles.total(name))
    raise catalogue.unknown("objective", name, {*names(), *pool.costs, *(mine.name for mine in own)})


def judge(objectives: Sequence[Objective], ensembles: Ensembles) -> np.ndarray:
    """Value of every objective for every ensemble: float64, (n_ensembles, n_objectives).

    Raises
    ------
    InputError
        An objective fails, gives another shape, or a value that is no finite number.
    """
    values = np.empty((len(ensembles), len(objectives)))
    for column, goal in enumerate(objectives):
        try:
            answer = np.asarray(goal.evaluate(ensembles))
        except EvoEnsythError:
            raise
        except Exception as error:
            raise InputError(f"objective '{goal.name}' failed: {type(error).__name__}: {error}.") from error
        if answer.shape != (len(ensembles),) or answer.dtype.kind not in "iufb":
            raise InputError(
                f"objective '{goal.name}' gave shape {answer.shape} and type {answer.dtype} for {len(ensembles)} "
                f"ensembles; expected ({len(ensembles)},) numbers."
            )
        if not np.isfinite(answer).all():
            row = int(np.flatnonzero(~np.isfinite(answer))[0])
            members = np.flatnonzero(ensembles.subsets[row]).tolist()
            raise InputError(f"objective '{goal.name}' is {answer[row]} for the ensemble {members}; it must be finite.")
        values[:, column] = answer
    return values
