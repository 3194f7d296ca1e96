"""Error plus one standard error of its difference from the whole pool's error.

Dietterich, "Approximate statistical tests for comparing supervised classification learning algorithms", Neural
Computation 10(7), 1998, on comparing two classifiers by the samples on which only one of them is wrong.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples", estimates="error")
def paired_error(ensembles: Ensembles) -> np.ndarray:
    """Error plus one standard error of its difference from the whole pool's error.

    If the n samples of the search split were drawn again and again, an ensemble's error would vary around its mean e.
    Its standard deviation, sqrt(e (1 - e) / n), is a function of e alone, so it adds no information; most of it is
    common to all ensembles, which share the samples. Specific to an ensemble is the spread of its difference from
    another, here from the whole pool, which no search has selected. With b samples that only the ensemble gets wrong
    and c that only the pool gets wrong, that spread is sqrt(b + c - (b - c)^2 / n) / n. The more predictions had to
    change for a gain over the pool, the less the gain counts.

    No samples are actually drawn: this is the limit that resampling tends to as the number of resamples grows.
    """
    tally, n_samples = ensembles.tally, ensembles.votes.n_samples
    pool = tally.predictions(np.ones((1, tally.n_members), bool))[0] != ensembles.votes.y_true
    alone, together = ensembles.errors_by(pool.astype(np.int64), 2).T
    spared = np.count_nonzero(pool) - together
    squared = n_samples * (alone + spared) - (alone - spared) ** 2  # n^3 times the variance: a whole number
    return np.asarray((alone + together + np.sqrt(squared / n_samples)) / n_samples)
