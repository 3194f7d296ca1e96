"""Objectives, by which ensembles are judged. Every objective is minimised.

An objective is a named function of `Ensembles`. Each module in this package defines one of the same name. To define
your own, write a function in a problem module, or in any module that can be imported::

    from evo_ensyth.objectives import objective

    @objective(unit="ms")
    def latency(ensembles):
        \"\"\"Latency of the slowest member, if all run in parallel.\"\"\"
        return ensembles.largest("latency_ms")

The name of every cost of a pool is also an objective: the sum of that cost over the members. With the prefix
``largest_`` it is the largest cost among them. ``error_of_class_NAME`` is the error on the samples of the class NAME,
and ``sklearn.balanced_accuracy`` is one minus that score, as scikit-learn computes it.

An objective declares its ``unit``; what it ``counts``, if its value is the error or the number of members; and which
other objective it ``estimates``.

Measures of diversity are reversed so that they are minimised too: 1 means that all members are alike, or that there is
only one. They do not measure how good an ensemble is; use them together with ``error``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evo_ensyth import plugins
from evo_ensyth.engine import Ensembles
from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.plugins import nearest
from evo_ensyth.pool import Members

__all__ = [
    "Ensembles",
    "Objective",
    "check_cost_names",
    "describe",
    "find",
    "judge",
    "names",
    "objective",
    "samples_of_class",
]

FOLDER = "evo_ensyth.objectives"
LARGEST = "largest_"
OF_CLASS = "error_of_class_"
RECALL = "recall_of_class_"
ACCURACY = "accuracy"
# Objectives that are the cost of their name.
COST_OBJECTIVES = {"bytes", "macs", "parameters"}


@dataclass(frozen=True)
class Objective:
    """A named function of a batch of ensembles; smaller is better.

    Attributes
    ----------
    name : str
    evaluate : function of Ensembles to (n_ensembles,) numbers
    unit : str
        For tables and axes.
    counts : str
        What the value counts, so that it can be computed without calling ``evaluate``: ``errors`` if it is the share
        of samples on which the plurality vote is wrong, ``members`` if it is the size of the ensemble.
    estimates : str
        Name of the objective that it estimates and replaces in a search; reports show the objective it estimates.
    resampled : function of Ensembles and int64, (n_resamples, n_samples), to float64, (n_resamples,), optional
        Values of a single ensemble on resamples, given how often each sample was drawn. Gives the objective an
        interval; see `results.resampling`.
    """

    name: str
    evaluate: Callable[[Ensembles], np.ndarray]
    unit: str = ""
    counts: Literal["", "errors", "members"] = ""
    estimates: str = ""
    resampled: Callable[[Ensembles, np.ndarray], np.ndarray] | None = None


def objective(
    unit: str = "",
    *,
    counts: Literal["", "errors", "members"] = "",
    estimates: str = "",
    resampled: Callable[[Ensembles, np.ndarray], np.ndarray] | None = None,
) -> Callable[[Callable[[Ensembles], np.ndarray]], Objective]:
    """Turn a function into an objective with the function's name."""
    return lambda function: Objective(function.__name__, function, unit, counts, estimates, resampled)


def names() -> tuple[str, ...]:
    """Names of the objectives that come with the package."""
    return plugins.names(FOLDER)


def describe() -> dict[str, str]:
    """One line about each objective that comes with the package, by name."""
    return plugins.describe(FOLDER)


def find(name: str | Objective, pool: Members, own: Sequence[Objective] = ()) -> Objective:
    """Look up an objective by name; an `Objective` is returned as it is.

    Parameters
    ----------
    name : str or Objective
        One of `names`; a cost of the pool, alone or prefixed with ``largest_``; ``error_of_class_NAME``; a scorer of
        scikit-learn, such as ``sklearn.f1_macro``; the name of one of ``own``; or a dotted name such as ``mylab.f1``,
        of a module with one objective or of an objective in a module.
    pool : Members
        Provides the names of the costs.
    own : sequence of Objective
        User-defined objectives.

    Raises
    ------
    InputError
        There is no objective of that name, or it cannot be imported.
    """
    if isinstance(name, Objective):
        return name
    for candidate in own:
        if candidate.name == name:
            return candidate
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no objective; expected a name, such as 'error', or an Objective.")
    if name in names():
        found: Objective = plugins.only(plugins.load(FOLDER, name, "objective"), Objective)
        return found
    if name in pool.costs:
        return Objective(name, lambda ensembles: ensembles.total(name))
    cost = name.removeprefix(LARGEST)
    if cost != name and cost in pool.costs:
        return Objective(name, lambda ensembles: ensembles.largest(cost))
    if name.startswith(OF_CLASS) and name != OF_CLASS:
        return _error_of_class(name.removeprefix(OF_CLASS))
    if name.startswith("sklearn."):
        return _of_scikit_learn(name)
    if "." in name:
        dotted: Objective = plugins.only(plugins.load(FOLDER, name, "objective"), Objective)
        return dotted
    families = (*(LARGEST + cost for cost in pool.costs), f"{OF_CLASS}0")
    raise plugins.unknown("objective", name, {*names(), *pool.costs, *families, *(mine.name for mine in own)})


def check_cost_names(costs: Iterable[str]) -> None:
    """Check that costs do not have the name of something else that is computed from the votes.

    Raises
    ------
    InputError
        One does, so that an objective or a limit of that name would mean the other.
    """
    taken = {*names(), ACCURACY} - COST_OBJECTIVES
    for cost in costs:
        if cost in taken or cost.startswith((OF_CLASS, RECALL)):
            raise InputError(
                f"the cost '{cost}' ('cost_{cost}' in a file) has the name of an objective of the package; call it "
                f"something else, such as '{cost}_cost'."
            )


def samples_of_class(name: str, ensembles: Ensembles) -> tuple[int, int]:
    """Place of the class called ``name``, and the number of samples of the split whose true class it is.

    Raises
    ------
    InputError
        The search split has none. A test split may have none, so that the chosen ensembles can still be reported.
    """
    votes = ensembles.votes
    names = list(map(str, votes.classes))
    place = names.index(name) if name in names else -1
    n_samples = int(votes.class_sizes[place]) if name in names else 0
    if n_samples == 0 and votes.split == "search":
        true = [names[i] for i in np.flatnonzero(votes.class_sizes)]
        there = ", ".join(true)
        raise InputError(f"no sample of the search split is of class {name}; there are {there}.{nearest(name, true)}")
    return place, n_samples


def judge(objectives: Sequence[Objective], ensembles: Ensembles) -> np.ndarray:
    """Value of every objective for every ensemble: float64, (n_ensembles, n_objectives).

    Raises
    ------
    InputError
        An objective fails, or returns another shape or a value that is not a finite number.
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


def _of_scikit_learn(name: str) -> Objective:
    """Make the objective for a scorer of scikit-learn: one minus the score or, of a negated loss, the loss."""
    from evo_ensyth.objectives._scikit_learn import NEGATED, PREFIX, Loss

    short = name.removeprefix(PREFIX)
    loss = Loss(short)
    unit = short.removeprefix(NEGATED) if short.startswith(NEGATED) else f"1 - {short}"
    return Objective(name, loss.evaluate, unit, resampled=loss.resampled)


def _error_of_class(name: str) -> Objective:
    """Make the objective for one true class: the share of its samples that the vote gets wrong.

    See `samples_of_class` for classes without samples. On a test split without samples of the class it is 0.
    """

    def share_wrong(ensembles: Ensembles) -> np.ndarray:
        place, n_samples = samples_of_class(name, ensembles)
        wrong = ensembles.errors_by_class[:, place] if n_samples else np.zeros(len(ensembles))
        return np.asarray(wrong / max(n_samples, 1))

    return Objective(f"{OF_CLASS}{name}", share_wrong, "share of samples")
