"""Slow and obvious: what the fast code is checked against."""

from collections.abc import Iterator, Sequence

import numpy as np


def plurality(subset: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count by hand, sample by sample; argmax takes the lowest class of a tie."""
    chosen = labels[np.asarray(subset, bool)]
    return np.array([np.bincount(column, minlength=n_classes).argmax() for column in chosen.T])


def errors(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> int:
    """Samples that the vote of a subset gets wrong."""
    return int(np.count_nonzero(plurality(subset, labels, n_classes) != truth))


def margins(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Votes for the truth less those for the strongest other class, sample by sample."""
    found = []
    for column, right in zip(labels[np.asarray(subset, bool)].T, truth, strict=True):
        votes = np.bincount(column, minlength=n_classes)
        found.append(votes[right] - np.delete(votes, right).max(initial=0))
    return np.array(found)


def all_subsets(n_members: int) -> Iterator[np.ndarray]:
    """Every subset that is not empty."""
    for code in range(1, 2**n_members):
        yield np.array([code >> i & 1 for i in range(n_members)], bool)


def non_dominated(values: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """Distinct points that no other point dominates, sorted."""
    points = sorted({tuple(v) for v in values})
    return [p for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)]


def random_votes(rng: np.random.Generator, n_members: int, n_samples: int, n_classes: int, accuracy: float = 0.7):
    """Labels and truth of members that are right with a probability and otherwise guess."""
    truth = rng.integers(0, n_classes, n_samples)
    guesses = rng.integers(0, n_classes, (n_members, n_samples))
    labels = np.where(rng.random((n_members, n_samples)) < accuracy, truth, guesses)
    return labels.astype(np.uint16), truth.astype(np.uint16)


def multiset_errors(multiset, labels, truth, n_classes):
    """Samples that the vote of members gets wrong who stand in it as often as they have votes."""
    repeated = np.repeat(labels, multiset, axis=0)
    return errors(np.ones(len(repeated), bool), repeated, truth, n_classes)
