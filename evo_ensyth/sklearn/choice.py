"""The choice among members by what they answered: a search, and the ensemble of its front that is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from evo_ensyth import voting
from evo_ensyth.api import search
from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Objective
from evo_ensyth.pool import Pool
from evo_ensyth.pool.classes import plain_label, sorted_labels
from evo_ensyth.results.ensemble import Ensemble
from evo_ensyth.results.run import Run
from evo_ensyth.selection.selectors import Selector
from evo_ensyth.voting import VoteRule


def searched(
    answers: Mapping[str, np.ndarray],
    y_true: np.ndarray,
    labels: Sequence[Any],
    *,
    groups: Any,
    costs: Mapping[str, np.ndarray],
    vote: VoteRule,
    selector: str | Selector,
    objectives: str | Objective | Sequence[str | Objective] | None,
    budget: int | None,
    seed: int,
) -> Run:
    """Search the subsets of members for the front.

    Parameters
    ----------
    answers : mapping of str to labels, (n_samples,), or probabilities, (n_samples, n_classes)
        Of each member. Labels here and in ``y_true`` are places among the classes.
    y_true : int64, (n_samples,)
    labels : sequence of n_classes labels
        What the places stand for. The run has them, unless the package would write or sort them in another way.
    groups : (n_samples,), optional
    costs : mapping of str to numbers, (n_members,)
        Minimised with the criterion of the vote rule where there are no ``objectives``.
    vote, selector, objectives, budget, seed
        As for `evo_ensyth.search`.

    Raises
    ------
    InputError
        Something is wrong with the arguments.
    KeyboardInterrupt
        A signal ended the search.
    """
    names = tuple(name for label in labels if (name := plain_label(label)) is not None)
    known = names if sorted_labels(names) == names == tuple(labels) else tuple(range(len(labels)))
    pool = pool_of(answers, y_true, known, costs=costs, groups=groups)
    if objectives is None and costs:
        objectives = [voting.criterion_of(vote), *costs]
    run = search(
        pool,
        objectives,
        selector=selector,
        baselines=(),
        budget=budget,
        seed=seed,
        vote=vote,
        command="EnsembleSelector.fit",
    )
    if run.interrupted:
        raise KeyboardInterrupt(run.interrupted_by)
    return run


def pool_of(
    answers: Mapping[str, np.ndarray],
    y_true: np.ndarray,
    classes: Sequence[Any],
    *,
    costs: Mapping[str, np.ndarray] | None = None,
    groups: Any = None,
) -> Pool:
    """Make a pool of answers by place; parameters as for `searched`, and ``classes`` as the pool is to have them."""
    places = range(len(classes))
    pool = Pool.from_predictions(answers, y_true, costs=costs, classes=places, groups=groups, name="EnsembleSelector")
    return replace(pool, search=replace(pool.search, classes=tuple(classes)))


def picked(run: Run, pick: Any) -> Ensemble:
    """Take one ensemble of the front of a run.

    Parameters
    ----------
    run : Run
    pick : str, int or mapping
        See `EnsembleSelector`.

    Raises
    ------
    InputError
        There is no such rule, or no ensemble is within the limits.
    """
    if isinstance(pick, Mapping):
        return run.pick(at_most=pick)
    if isinstance(pick, Integral):
        most = int(pick)
        return run.pick(size=max((ensemble.size for ensemble in run.front if ensemble.size <= most), default=most))
    if not isinstance(pick, str):
        raise InputError(f"pick is {pick!r}; expected the name of a rule, a number of members, or limits of costs.")
    try:
        return run.pick(rule=pick)
    except InputError:
        if pick != "knee":
            raise
        return run.recommended  # there is no knee
