"""Writing a pool as a ``.npz`` file of predictions; `npz` documents the keys and reads the file."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.files import write_whole
from evo_ensyth.pool.classes import Classes
from evo_ensyth.pool.labels import signed_labels
from evo_ensyth.pool.memory import check_fits
from evo_ensyth.pool.pool import Pool
from evo_ensyth.pool.scores import Scores

# Squares of equidistant numbers: finer for small probabilities, to which the log loss is most sensitive.
STEPS = 20
# The last level lies above 1: room for the highest score of a sample if it leads by less than a level.
LEVELS = ((np.arange(STEPS + 2) / STEPS) ** 2).astype(np.float16)


def write(
    path: Path,
    pool: Pool,
    *,
    with_scores: bool = False,
) -> None:
    """Write a file that `npz.read` can read, whole or not at all; the same votes give the same bytes.

    It holds the members' labels, the true labels, groups, names, costs and shared costs, the predictions and costs of
    the parent and, optionally, rounded scores.

    Parameters
    ----------
    path : Path or str
        Path ending with ``.npz``.
    pool : Pool
    with_scores : bool
        Also write scores; see `rounded`.

    Raises
    ------
    InputError
        The path is not writable, or scores are requested but missing or not probabilities.
    """
    arrays: dict[str, np.ndarray] = {"names": np.array(pool.names)}
    if not _speak_for_themselves(pool):
        arrays["classes"] = np.array(pool.classes)
    arrays |= {f"cost_{name}": values for name, values in pool.costs.items()}
    if pool.shared:
        arrays["shared_members"] = np.array([part.members for part in pool.shared], np.uint8)
        costs = dict.fromkeys(cost for part in pool.shared for cost in part.costs)
        arrays |= {f"shared_cost_{cost}": np.array([part.costs.get(cost, 0) for part in pool.shared]) for cost in costs}
    parent = pool.parent
    if parent is not None and set(pool.splits) <= set(parent.y_pred):
        arrays |= {f"{split}_parent": _stored(labels, pool.classes) for split, labels in parent.y_pred.items()}
        known = (name for name in parent.costs if name in pool.costs)
        arrays |= {f"parent_cost_{name}": np.array(parent.costs[name]) for name in known}
    for votes in pool.splits.values():
        # Column-major: predictions of members are similar, and similar neighbouring values compress to half the size.
        labels = signed_labels(votes.y_pred, votes.n_classes) if votes.has_holes else votes.y_pred
        arrays[f"{votes.split}_labels"] = np.asfortranarray(_stored(labels, pool.classes))
        arrays[f"{votes.split}_truth"] = _stored(votes.y_true, pool.classes)
        if votes.groups is not None:
            arrays[f"{votes.split}_groups"] = votes.groups
        if with_scores:
            arrays[f"{votes.split}_scores"] = rounded(votes.scores)
    try:
        write_whole(Path(path), _zipped(arrays))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def rounded(scores: Scores) -> np.ndarray:
    """Round probabilities to the nearest of 21 levels, (k / 20)^2, so that files stay small.

    If rounding would move the vote of a member to a lower class, its highest score is raised to the next level, so that
    every member keeps its labels.

    Parameters
    ----------
    scores : Scores
        Probabilities.

    Returns
    -------
    float16, (n_members, n_samples, n_classes), in column-major order
        The probabilities of a sample no longer need to add up to 1.

    Raises
    ------
    InputError
        A score is above 1, or the scores do not fit into memory.
    """
    if round(scores.largest, 3) > 1:  # Means of probabilities may exceed 1 by rounding.
        raise InputError(f"{scores.split} scores go up to {scores.largest:g}; only probabilities can be written.")
    shape = (scores.n_members, scores.n_samples, scores.n_classes)
    check_fits(f"the rounded {scores.split} scores", int(np.prod(shape)) * LEVELS.itemsize)
    found = np.empty(shape, LEVELS.dtype, order="F")
    exact = LEVELS.astype(np.float64)
    between = (exact[1:] + exact[:-1]) / 2
    samples = np.arange(scores.n_samples)
    for member, values in enumerate(scores.members):
        levels = np.searchsorted(between, values)
        highest = np.argmax(values, axis=1)
        levels[samples, highest] += levels.argmax(axis=1) != highest
        found[member] = LEVELS[levels]
    return found


def _speak_for_themselves(pool: Pool) -> bool:
    """Whether the labels of a pool say what its classes are: whole numbers, of which each occurs."""
    occurs = np.zeros(len(pool.classes) + 1, bool)
    for votes in pool.splits.values():
        occurs[votes.y_true] = True
        for row in votes.y_pred:
            occurs[row] = True
    return all(type(label) is int for label in pool.classes) and bool(occurs[:-1].all())


def _stored(places: np.ndarray, classes: Classes) -> np.ndarray:
    """Labels to store for places among the classes: whole numbers as they are, others as places; -1 for no answer."""
    if classes == tuple(range(len(classes))) or not all(type(label) is int for label in classes):
        return places
    missing = np.nan if -1 in classes else -1
    values = np.array([*classes, missing] if (places < 0).any() else classes)
    return np.asarray(values[places])


def _zipped(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a file like that of `numpy.savez_compressed`, with maximal compression and without timestamps."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for key, values in arrays.items():
            array = io.BytesIO()
            np.save(array, values, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{key}.npy")
            file.writestr(entry, array.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return content.getvalue()
