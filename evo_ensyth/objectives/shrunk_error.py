"""Smoothed error, shrunk towards the members' own errors."""

import numpy as np

from evo_ensyth.engine.smoothing import STEPS
from evo_ensyth.objectives import Ensembles, objective

# The members' own errors carry the weight of this many additional samples of the search split.
PRIOR_SAMPLES = 300


@objective(unit="share of samples", estimates="error")
def shrunk_error(ensembles: Ensembles) -> np.ndarray:
    """Mean of the smoothed error and the members' own mean error, weighted by the size of the split and by 300.

    Of thousands of subsets tried, the one that looks best owes much of that to luck. The errors of its members on their
    own are known more reliably and give a reasonable first guess at its error. The two are averaged, weighted by
    numbers of samples, so a small search split relies more on the guess than a large one.

    References
    ----------
    Efron, Morris, "Stein's estimation rule and its competitors", JASA 68, 1973, on shrinking many estimates at once.
    """
    votes = ensembles.votes
    seen = ensembles.smoothed_losses / STEPS
    # einsum adds without a temporary array of int64, which would be eight times as large as the subsets
    own = np.einsum("ij,j->i", ensembles.subsets, votes.member_errors) / (ensembles.sizes * votes.n_samples)
    return np.asarray((seen + PRIOR_SAMPLES * own) / (votes.n_samples + PRIOR_SAMPLES))
