"""Share of samples that none of the members answers."""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def unanswered(ensembles: Ensembles) -> np.ndarray:
    """Share of samples for which no member of the ensemble has an answer; one minus its coverage.

    They count as errors in every error. 0 for all ensembles of a pool without missing answers.
    """
    return np.asarray(ensembles.unanswered / ensembles.votes.n_samples)
