"""What the members of a pool answer on some samples, as it was read, before labels have their places among the classes.

Every source of predictions gives `Answers`; `votes_of` makes the votes of all splits of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.classes import Classes, Label, LabelCodes, Order, ordered
from evo_ensyth.pool.groups import coded_groups
from evo_ensyth.pool.labels import NO_ANSWER, Some
from evo_ensyth.pool.memory import give_back, room
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.splitting import test_samples
from evo_ensyth.pool.votes import Votes

# Reads the scores of some samples, given the order of the classes, the true classes of the samples, and their split.
ScoreReader = Callable[[Order, Some, np.ndarray, str], Scores]
TOLD = 5
FEWEST_SAMPLES = 2  # that estimate an error
NO_ROW = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class Answers:
    """Answers of all members on some samples.

    Attributes
    ----------
    y_true : (n_samples,)
        Codes of the true labels.
    y_pred : list of n_members arrays, (n_samples,)
        Codes of the predicted labels or, if ``by_column``, 1 + the column of the highest score; 0 where there is no
        answer. `votes_of` takes the rows out of the list.
    by_column : bool
    read_scores : ScoreReader, optional
    labels_only : bool
        Whether ``read_scores`` can only say why there are no scores.
    groups : (n_samples,), optional
        Any values at first; codes after `with_group_codes`.
    parent : (n_samples,), optional
        Codes of the labels that the network predicts from which the members were made.
    """

    y_true: np.ndarray
    y_pred: list[np.ndarray]
    by_column: bool = False
    read_scores: ScoreReader | None = None
    labels_only: bool = False
    groups: np.ndarray | None = None
    parent: np.ndarray | None = None


# The answers that a split consists of, and which of their samples.
Part = tuple[Answers, Some]


def votes_of(
    parts: Mapping[str, Part], codes: LabelCodes, n_columns: int = 0, names: Sequence[Label] | None = None
) -> tuple[dict[str, Votes], Order, list[str]]:
    """Give labels their places among the classes. Rows of answers are freed one by one: votes take as much memory.

    Parameters
    ----------
    parts : mapping of split to Part
    codes : LabelCodes
        Of all their labels.
    n_columns, names
        As for `ordered`.

    Returns
    -------
    votes : dict of split to Votes
    order : Order
    notes : list of str
        What to know about how labels and scores were read.

    Raises
    ------
    InputError
        Labels, names and columns do not fit each other, or a split has fewer than two samples.
    """
    for split, (answers, samples) in parts.items():
        n_samples = len(answers.y_true[samples])
        if n_samples < FEWEST_SAMPLES:
            raise InputError(f"n_samples of the {split} split is {n_samples}; at least 2 estimate an error.")
    true = {int(code) for answers, _ in parts.values() for code in np.unique(answers.y_true)}
    order = ordered(codes, true, n_columns, names)
    y_pred = _placed(parts, order)
    votes = {split: _votes(part, y_pred[split], split, order) for split, part in parts.items()}
    notes = [*_about_columns(order.classes, n_columns, names), *_about_classes(votes, order.classes)]
    return votes, order, [*notes, *_about_groups(votes)]


def with_group_codes(answers: Mapping[str, Answers]) -> list[Answers]:
    """Turn the groups of answers into codes that mean the same in all of them.

    Parameters
    ----------
    answers : mapping of str to Answers
        By what their groups are called in messages.

    Raises
    ------
    InputError
        A sample has no group, or groups are of several types.
    """
    given = {name: found.groups for name, found in answers.items() if found.groups is not None}
    codes = coded_groups(given)
    return [replace(found, groups=codes.get(name)) for name, found in answers.items()]


def random_split(
    answers: Answers, codes: LabelCodes, test_share: float, split_seed: int
) -> tuple[dict[str, Part], dict[str, Any]]:
    """Split samples at random by `splitting.test_samples`.

    Returns
    -------
    parts : dict of split to Part
        Without an empty test split.
    source : dict
        How the samples were split, for `Pool.source`.
    """
    true = {int(code) for code in np.unique(answers.y_true)}
    y_true = ordered(codes, true).rank[answers.y_true]  # so that the split does not depend on the order in the file
    test, how = test_samples(y_true, answers.groups, test_share, split_seed)
    rest = np.setdiff1d(np.arange(len(y_true)), test)
    source = {"test_share": test_share, "split_seed": split_seed, "split": how, "test_samples": test.tolist()}
    return {"search": (answers, rest), **({"test": (answers, test)} if len(test) else {})}, source


def _placed(parts: Mapping[str, Part], order: Order) -> dict[str, np.ndarray]:
    """Places of the predicted labels: for each split (n_members, n_samples), read-only, in the type of `Votes`.

    Signed if some are -1, for no answer.
    """
    n_classes = len(order.classes)
    kind = np.uint8 if n_classes <= 256 else np.uint16
    found = {
        split: room(f"the {split} labels", (len(answers.y_pred), len(answers.y_true[samples])), kind)
        for split, (answers, samples) in parts.items()
    }
    by_column = np.concatenate([[NO_ANSWER], order.columns])
    for i in range(len(next(iter(found.values())))):
        for split, (answers, samples) in parts.items():
            places = (by_column if answers.by_column else order.rank)[answers.y_pred[i][samples]]
            if places.min(initial=0) < 0 and found[split].dtype.kind == "u":
                found[split] = _signed(found[split], f"the {split} labels", n_classes)
            found[split][i] = places
        for answers, _ in parts.values():
            answers.y_pred[i] = NO_ROW
    for each in found.values():
        give_back(each)
        each.setflags(write=False)
    return found


def _signed(labels: np.ndarray, what: str, n_classes: int) -> np.ndarray:
    signed = room(what, labels.shape, np.int16 if n_classes < 2**15 else np.int32)
    signed[:] = labels
    return signed


def _votes(part: Part, y_pred: np.ndarray, split: str, order: Order) -> Votes:
    answers, samples = part
    y_true = order.rank[answers.y_true[samples]]
    scores = None
    if answers.read_scores is not None:
        read = answers.read_scores
        scores = lambda: read(order, samples, y_true, split)  # noqa: E731
    groups = None if answers.groups is None else answers.groups[samples]
    return Votes(y_pred, y_true, len(order.classes), split, scores, groups, answers.labels_only, order.classes)


def _about_columns(classes: Classes, n_columns: int, names: Sequence[Label] | None) -> list[str]:
    if n_columns == 1:
        return [
            f"The scores have one column, read as the chance of class {classes[1]}, of {classes[0]} and {classes[1]}."
        ]
    if n_columns and names is None and classes != tuple(range(n_columns)):
        return [f"The columns of the scores are read as the classes {_listed(classes)}, in this order."]
    return []


def _about_classes(votes: Mapping[str, Votes], classes: Classes) -> list[str]:
    """Name classes that members predict and that are never true."""
    predicted, true = np.zeros(len(classes) + 1, bool), np.zeros(len(classes) + 1, bool)
    for each in votes.values():
        true[each.y_true] = True
        for row in each.y_pred:
            predicted[row] = True
    never = [classes[i] for i in np.flatnonzero((predicted & ~true)[:-1])]
    if not never:
        return []
    return [f"{'Class' if len(never) == 1 else 'Classes'} {_listed(never)}: predicted by some members, and never true."]


def _about_groups(votes: Mapping[str, Votes]) -> list[str]:
    """Say how many groups have samples in both splits."""
    groups = [each.groups for each in votes.values() if each.groups is not None]
    if len(groups) < 2:
        return []
    search, test = groups
    shared, n_groups = np.intersect1d(search, test), np.union1d(search, test)
    if not len(shared):
        return []
    return [
        f"{len(shared):,} of {len(n_groups):,} groups have samples in both splits, so the test split does not show how "
        "ensembles do on new groups."
    ]


def _listed(labels: Sequence[Label]) -> str:
    some = ", ".join(map(str, labels[:TOLD]))
    return some if len(labels) <= TOLD else f"{some} and {len(labels) - TOLD} more"
