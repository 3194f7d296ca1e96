"""Votes of subsets and multisets, counted sample by sample; -1 is no answer."""

from collections.abc import Iterator

import numpy as np


def plurality(subset: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count by hand, sample by sample; argmax takes the lowest class of a tie. -1 where nobody answers."""
    chosen = labels[np.asarray(subset, bool)]
    votes = [np.bincount(column[column != -1], minlength=n_classes) for column in chosen.T]
    return np.array([each.argmax() if each.any() else -1 for each in votes])


def wrong(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Whether the vote of a subset is wrong, sample by sample."""
    return plurality(subset, labels, n_classes) != truth


def errors(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> int:
    """Samples that the vote of a subset gets wrong."""
    return int(np.count_nonzero(wrong(subset, labels, truth, n_classes)))


def margins(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Votes for the truth less those for the strongest other class, sample by sample; -1 where nobody answers."""
    found = []
    for column, right in zip(labels[np.asarray(subset, bool)].T, truth, strict=True):
        votes = np.bincount(column[column != -1], minlength=n_classes)
        found.append(votes[right] - np.delete(votes, right).max(initial=0) if votes.any() else -1)
    return np.array(found)


def all_subsets(n_members: int) -> Iterator[np.ndarray]:
    """Every subset that is not empty."""
    for code in range(1, 2**n_members):
        yield np.array([code >> i & 1 for i in range(n_members)], bool)


def margin_counts(subset: np.ndarray, labels: np.ndarray, truth: np.ndarray, n_classes: int) -> np.ndarray:
    """Samples of each margin, from -n_members to n_members."""
    shifted = margins(subset, labels, truth, n_classes) + len(labels)
    return np.bincount(shifted, minlength=2 * len(labels) + 1)


def flips(subset: np.ndarray) -> list[np.ndarray]:
    """Subsets that differ in one member, in the order of members; one of them may be empty."""
    return [subset ^ (np.arange(len(subset)) == member) for member in range(len(subset))]


def swaps(subset: np.ndarray) -> list[np.ndarray]:
    """Subsets with one member exchanged for one outside, by who leaves and then by who joins."""
    members = np.arange(len(subset))
    pairs = [(i, j) for i in np.flatnonzero(subset) for j in np.flatnonzero(~subset)]
    return [subset ^ np.isin(members, pair) for pair in pairs]


def neighbours(subset: np.ndarray) -> list[np.ndarray]:
    """Subsets that one member more, one less, or another one in its place makes of a subset; none is empty."""
    return [flip for flip in flips(subset) if flip.any()] + swaps(subset)


def shares(subset: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Share of the votes for each class, sample by sample; equal shares where nobody answers."""
    counts = np.array([np.bincount(column[column != -1], minlength=n_classes) for column in labels[subset].T])
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 1 / n_classes)


def random_votes(rng: np.random.Generator, n_members: int, n_samples: int, n_classes: int, accuracy: float = 0.7):
    """Labels and truth of members that are right with a probability and otherwise guess."""
    truth = rng.integers(0, n_classes, n_samples)
    guesses = rng.integers(0, n_classes, (n_members, n_samples))
    labels = np.where(rng.random((n_members, n_samples)) < accuracy, truth, guesses)
    return labels.astype(np.uint16), truth.astype(np.uint16)


def silenced(rng: np.random.Generator, labels: np.ndarray, share: float) -> np.ndarray:
    """Labels in which a share of the answers, and all answers to a tenth of the samples, are -1."""
    silent = (rng.random(labels.shape) < share) | (rng.random(labels.shape[1]) < 0.1)
    return np.where(silent, -1, labels.astype(np.int64))


def unanswered(subset: np.ndarray, labels: np.ndarray) -> int:
    """Samples that no member of a subset answers."""
    return int(np.count_nonzero((labels[np.asarray(subset, bool)] == -1).all(axis=0)))


def multiset_errors(multiset, labels, truth, n_classes):
    """Samples that the vote of members gets wrong who stand in it as often as they have votes."""
    repeated = np.repeat(labels, multiset, axis=0)
    return errors(np.ones(len(repeated), bool), repeated, truth, n_classes)
