"""Smoothed error, shrunk towards the members' own errors; guides the default search."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective
from evo_ensyth.objectives.smoothed_error import STEPS, smoothed_errors

# The members' own errors count as much as so many more samples of the search split.
PRIOR_SAMPLES = 300


@objective(unit="share of samples", estimates="error")
def shrunk_error(ensembles: Ensembles) -> np.ndarray:
    """Smoothed error over the search split and 300 more samples, on which it is the members' mean error.

    Of thousands of subsets that were tried, the one that looks best owes much of that to luck. How good its members are
    on their own is known better, and is a fair guess at how good it is. So the two are averaged, by the number of
    samples: a small search split leaves more to the guess than a large one.

    References
    ----------
    Efron, Morris, "Stein's estimation rule and its competitors", JASA 68, 1973, on shrinking many estimates at once.
    """
    votes = ensembles.votes
    seen = smoothed_errors(ensembles) / STEPS
    # einsum, because it adds whole numbers without a table of what it adds, as large as eight times the subsets
    own = np.einsum("ij,j->i", ensembles.subsets, votes.member_errors) / (ensembles.sizes * votes.n_samples)
    return np.asarray((seen + PRIOR_SAMPLES * own) / (votes.n_samples + PRIOR_SAMPLES))
