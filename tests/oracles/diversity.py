"""Measures of diversity by their definitions, pair by pair and sample by sample.

``labels`` is (n_members, n_samples) and holds the members of one ensemble only; ``truth`` is (n_samples,).
"""

import itertools
from fractions import Fraction

import numpy as np


def _pairs(rows):
    return itertools.combinations(rows, 2)


def kappa(first, second):
    """Cohen's kappa of two members, without rounding; 1 where chance alone makes them agree."""
    agree = Fraction(int(np.sum(first == second)), len(first))
    classes = np.union1d(first, second)
    chance = sum(Fraction(int(np.sum(first == c)) * int(np.sum(second == c)), len(first) ** 2) for c in classes)
    return Fraction(1) if chance == 1 else (agree - chance) / (1 - chance)


def cohen_kappa(labels, truth):
    """Mean kappa of all pairs."""
    return np.mean([float(kappa(a, b)) for a, b in _pairs(labels)])


def q_statistic(labels, truth):
    """Mean of Yule's Q of all pairs."""

    def q(a, b):
        both, neither = np.sum(a & b), np.sum(~a & ~b)
        first, second = np.sum(a & ~b), np.sum(~a & b)
        whole = both * neither + first * second
        return 0.0 if whole == 0 else (both * neither - first * second) / whole

    return np.mean([q(a, b) for a, b in _pairs(labels == truth)])


def binary_disagreement(labels, truth):
    """Mean share of samples that one of a pair gets right and the other one wrong."""
    return np.mean([np.mean(a != b) for a, b in _pairs(labels == truth)])


def double_fault(labels, truth):
    """Mean share of samples that both of a pair get wrong."""
    return np.mean([np.mean(a & b) for a, b in _pairs(labels != truth)])


def fleiss_kappa(labels, truth):
    """Fleiss' kappa from a table of votes by sample and class."""
    size, n_samples = labels.shape
    counts = np.array([[np.sum(column == c) for c in np.unique(labels)] for column in labels.T])
    agree = np.mean([(np.sum(row**2) - size) / (size * (size - 1)) for row in counts])
    chance = np.sum((counts.sum(axis=0) / (size * n_samples)) ** 2)
    return 1.0 if chance == 1 else (agree - chance) / (1 - chance)


def kohavi_wolpert(labels, truth):
    """Kohavi and Wolpert's variance."""
    size, right = len(labels), (labels == truth).sum(axis=0)
    return np.mean(right * (size - right)) / size**2


def generalised_diversity(labels, truth):
    """Partridge and Krzanowski's diversity of members of whom some are wrong, without rounding."""
    size, wrong = len(labels), (labels != truth).sum(axis=0)
    return 1 - Fraction(int(np.sum(wrong * (wrong - 1))), int(np.sum(wrong)) * (size - 1))


def focal(measure, labels, truth):
    """Mean of a measure over the samples that each member in turn gets wrong."""
    values = [measure(labels[:, own != truth], truth[own != truth]) for own in labels if (own != truth).any()]
    return sum(values) / len(values)


def pairwise_measures(labels, truth):
    """Share of different labels, and correlation of errors: 0 with a member that is never wrong, 1 with itself."""
    wrong, n_members = labels != truth, len(labels)
    differ = [[np.mean(a != b) for b in labels] for a in labels]
    correlate = np.zeros((n_members, n_members))
    erring = np.flatnonzero(wrong.any(axis=1))
    correlate[np.ix_(erring, erring)] = np.corrcoef(wrong[erring])
    return differ, correlate


def mean_over_pairs(subset, matrix, alone):
    """Mean of a matrix over all pairs of a subset; ``alone`` where there is no pair."""
    pairs = list(_pairs(np.flatnonzero(subset)))
    return np.mean([matrix[i][j] for i, j in pairs]) if pairs else alone
