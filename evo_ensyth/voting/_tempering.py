"""Temperatures: how far each member's probabilities are to be flattened or sharpened before they are added.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2: one number per model,
by the likelihood of held-out labels.
"""

import math
from collections.abc import Sequence

import numpy as np

from evo_ensyth.pool import Scores
from evo_ensyth.pool.memory import check_fits

# 15 temperatures from 1/4 to 6, each the same factor above the one before.
TEMPERATURES = np.geomspace(0.25, 6, 15)
LEAST = 0.001  # smaller probabilities are raised to this, so that one confident mistake does not decide
# Probabilities of a member that its temperature is fitted to, at most: samples times classes, evenly spaced.
FITTED = 50_000
ONE = 65_535


def temperatures(scores: Scores) -> np.ndarray:
    """Find the temperature of each member with the least negative log-likelihood: float64, (n_members,)."""
    step = max(1, scores.n_samples * scores.n_classes // FITTED)
    truth = scores.y_true[::step].astype(np.int64)
    return np.array([_temperature(np.asarray(member[::step], np.float64), truth) for member in scores.members])


def shares(scores: Scores, temperatures: Sequence[float], samples: np.ndarray) -> np.ndarray:
    """Tempered probabilities in steps of 1/65,535: uint16, (n, n_members, n_classes).

    Parameters
    ----------
    scores : Scores
    temperatures : sequence of n_members float
    samples : int64, (n,)

    Raises
    ------
    InputError
        They do not fit in memory.
    """
    shape = (len(samples), scores.n_members, scores.n_classes)
    check_fits("the probabilities that break ties", math.prod(shape) * 2)
    found = np.empty(shape, np.uint16)
    for i, (member, temperature) in enumerate(zip(scores.members, temperatures, strict=True)):
        found[:, i] = np.rint(tempered(np.asarray(member[samples], np.float64), temperature) * ONE)
    return found


def tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities of (n, n_classes) scores, tempered unless the temperature is 1: float64."""
    sums = scores.sum(axis=1, keepdims=True)
    found = np.where(sums > 0, scores / np.where(sums > 0, sums, 1), 1 / scores.shape[1])
    if temperature == 1:
        return found
    raised = np.maximum(found, LEAST) ** (1 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    logs = np.log(np.maximum(tempered(scores, 1), LEAST))
    of_truth = logs[np.arange(len(truth)), truth]
    losses = [
        np.log(np.exp(logs / temperature).sum(axis=1)).mean() - of_truth.mean() / temperature
        for temperature in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])
