"""Losses, sample by sample."""

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
