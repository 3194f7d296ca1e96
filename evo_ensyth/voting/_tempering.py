"""Temperatures: how far each member's probabilities are to be flattened or sharpened before they are added.

Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2: one number per model,
by the likelihood of held-out labels.
"""

from collections.abc import Sequence

import numpy as np

from evo_ensyth.engine.fixed_point import LEAST_SHARE, tempered
from evo_ensyth.pool import Votes

# 15 temperatures from 1/4 to 6, each the same factor above the one before.
TEMPERATURES = np.geomspace(0.25, 6, 15)
# Probabilities of a member that its temperature is fitted to, at most: samples times classes, evenly spaced.
FITTED = 50_000
ONE = 65_535


def temperatures(votes: Votes) -> np.ndarray:
    """Find the temperature of each member with the least negative log-likelihood: float64, (n_members,)."""
    step = max(1, votes.n_samples * votes.n_classes // FITTED)
    truth, answered = votes.y_true[::step].astype(np.int64), votes.answered[:, ::step]
    members = zip(votes.scores.members, answered, strict=True)
    return np.array([_temperature(np.asarray(member[::step])[there], truth[there]) for member, there in members])


def shares(votes: Votes, temperatures: Sequence[float], samples: np.ndarray) -> np.ndarray:
    """Tempered probabilities in steps of 1/65,535: uint16, (n, n_members, n_classes); 0 where there is no answer.

    Parameters
    ----------
    votes : Votes
    temperatures : sequence of n_members float
    samples : int64, (n,)
    """
    found = np.empty((len(samples), votes.n_members, votes.n_classes), np.uint16)
    answered = votes.answered[:, samples]
    for i, (member, temperature) in enumerate(zip(votes.scores.members, temperatures, strict=True)):
        of_member = np.where(answered[i, :, None], member[samples], 0)
        found[:, i] = np.rint(tempered(of_member, temperature) * ONE) * answered[i, :, None]
    return found


def _temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    if not len(truth):
        return 1.0
    logs = np.log(np.maximum(tempered(scores, 1), LEAST_SHARE))
    of_truth = logs[np.arange(len(truth)), truth].mean()
    losses = [
        np.log(np.exp(logs / temperature).sum(axis=1)).mean() - of_truth / temperature for temperature in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmin(losses))])
