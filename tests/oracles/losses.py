"""Losses, sample by sample."""

import math

import numpy as np
from scipy.stats import norm

from oracles import votes


def smoothed_error(subset, labels, truth, n_classes):
    """Mean of scipy's normal distribution function of the margins; the package has tables of whole numbers."""
    margins = votes.margins(subset, labels, truth, n_classes)
    return norm.cdf(-margins / np.sqrt(np.count_nonzero(subset))).mean()


def margin_ratio(subset, labels, truth, n_classes):
    """Standard deviation of the margins over their mean."""
    margins = votes.margins(subset, labels, truth, n_classes)
    return np.std(margins) / np.mean(margins)


def calibration_error(found, truth, n_bins=15):
    """As the paper writes it: accuracy and confidence of each bin, then their weighted distance."""
    total = 0.0
    for low in range(n_bins):
        inside = [s for s in range(len(truth)) if low / n_bins < found[s].max() <= (low + 1) / n_bins]
        if inside:
            accuracy = sum(found[s].argmax() == truth[s] for s in inside) / len(inside)
            confidence = sum(found[s].max() for s in inside) / len(inside)
            total += len(inside) / len(truth) * abs(accuracy - confidence)
    return total


def log_loss(found, truth, least):
    """Mean of the negative logarithm of what the truth has, which is at least ``least``."""
    return np.mean([-math.log(max(share[label], least)) for share, label in zip(found, truth, strict=True)])


def brier_score(found, truth):
    """Mean squared distance from the truth, summed over classes."""
    return np.mean(
        [sum((p - (c == label)) ** 2 for c, p in enumerate(share)) for share, label in zip(found, truth, strict=True)]
    )


def spherical_loss(found, truth):
    """Mean of 1 minus the cosine of the angle to the truth."""
    return np.mean([1 - share[label] / math.hypot(*share) for share, label in zip(found, truth, strict=True)])


def balanced_error(predicted, truth):
    """One minus the mean recall of the classes that occur."""
    return 1 - np.mean([np.mean(predicted[truth == label] == label) for label in np.unique(truth)])


def macro_f1_loss(predicted, truth):
    """One minus the mean F1 of the classes that are true or predicted; -1 is none."""
    scores = []
    for label in {*truth.tolist(), *predicted.tolist()} - {-1}:
        right = np.sum((predicted == label) & (truth == label))
        scores.append(2 * right / (np.sum(predicted == label) + np.sum(truth == label)))
    return 1 - np.mean(scores)


def auc_loss(shares, truth):
    """One minus the AUC of each class against the rest, pair by pair, and their mean; a half if there is no pair."""
    found = []
    for label in np.unique(truth):
        ours, others = shares[truth == label, label], shares[truth != label, label]
        if len(ours) and len(others):
            found.append(np.mean([(other > own) + 0.5 * (other == own) for own in ours for other in others]))
    return np.mean(found) if found else 0.5


def paired_error(subset, labels, truth, n_classes):
    """Error and the standard error of its difference from that of all members."""
    own = votes.wrong(subset, labels, truth, n_classes)
    lead = own.astype(int) - votes.wrong(np.ones(len(labels), bool), labels, truth, n_classes)
    return own.mean() + lead.std() / np.sqrt(len(truth))


def stacking_loss(kind, shares, ballots, truth):
    """Brier or log loss of the weighted mean of ballots; the latter leaves out samples whose truth nobody names."""
    mean = np.einsum("i,isc->sc", shares, np.asarray(ballots, float))
    if kind == "brier":
        return ((mean - np.eye(mean.shape[1])[truth]) ** 2).sum(axis=1).mean()
    samples = np.arange(len(truth))
    hopeless = (ballots[:, samples, truth] == 0).all(axis=0)
    with np.errstate(divide="ignore"):
        return -np.log(mean[samples, truth][~hopeless]).mean()
