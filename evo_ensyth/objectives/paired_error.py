"""Error plus one standard error of its difference from the whole pool's.

Dietterich, "Approximate statistical tests for comparing supervised classification learning algorithms", Neural
Computation 10(7), 1998, on comparing two classifiers by the samples on which only one of them is wrong.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples", estimates="error")
def paired_error(ensembles: Ensembles) -> np.ndarray:
    """Error plus one standard error of its difference from the whole pool's.

    Draw the search split anew, again and again: an ensemble's error has a mean, its error, and a spread. That spread is
    sqrt(e (1 - e) / n) whoever the ensemble is, and so says nothing beyond the error e. But most of it is common to all
    ensembles, as the samples are. What is an ensemble's own is the spread of its lead over another; here over the whole
    pool, which no search has picked. With b samples that only the ensemble gets wrong and c that only the pool does, it
    is sqrt(b + c - (b - c)^2 / n) / n. So a gain over the pool counts for less the more answers had to change for it.

    It does without drawing: this is what resamples tend to as they grow in number.
    """
    planes, n_samples = ensembles.bit_planes, ensembles.votes.n_samples
    alone, together = planes.errors_by(planes.lost_by_all, 2, ensembles.subsets).T
    spared = planes.lost_by_all.sum() - together
    squared = n_samples * (alone + spared) - (alone - spared) ** 2  # n^3 times the variance: a whole number
    return np.asarray((alone + together + np.sqrt(squared / n_samples)) / n_samples)
