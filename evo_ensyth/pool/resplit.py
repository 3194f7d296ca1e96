"""The same samples split at random by another seed."""

from dataclasses import replace
from functools import partial

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.pool.missing import original_places
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores
from evo_ensyth.pool.votes import Votes


def resplit(pool: Pool, split_seed: int) -> Pool:
    """Return a pool that was split at random as if it had been read with another seed; without its parent.

    Raises
    ------
    InputError
        It was not split at random.
    """
    share = pool.source.get("test_share")
    if share is None or pool.test is None:
        raise InputError("only samples that were split at random can be split again; these came split, or whole.")
    source = {name: value for name, value in pool.source.items() if name != "test_samples"}
    joined = replace(pool, search=_joined(pool, pool.search, pool.test), test=None, parent=None, source=source)
    return joined.split(share, split_seed)


def _joined(pool: Pool, search: Votes, test: Votes) -> Votes:
    """Votes of all samples, in the order in which they were read."""
    places = original_places(pool)
    order = np.argsort(np.concatenate([places["search"], places["test"]]))
    labels = np.concatenate([search.y_pred, test.y_pred], axis=1)[:, order]
    if search.has_holes or test.has_holes:
        labels = signed_labels(labels, search.n_classes)
    y_true = np.concatenate([search.y_true, test.y_true])[order]
    groups = None
    if search.groups is not None and test.groups is not None:
        groups = np.concatenate([search.groups, test.groups])[order]
    read_scores = search.read_scores and partial(_scores, search, test, order, y_true)
    return Votes(labels, y_true, search.n_classes, "search", read_scores, groups, search.labels_only, search.classes)


def _scores(search: Votes, test: Votes, order: np.ndarray, y_true: np.ndarray) -> Scores:
    pairs = zip(search.scores.members, test.scores.members, strict=True)
    return Scores([np.concatenate(pair)[order] for pair in pairs], y_true, "search")
