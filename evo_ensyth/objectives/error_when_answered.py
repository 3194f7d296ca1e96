"""Share of the answered samples that the vote gets wrong.

The selective risk of El-Yaniv, Wiener, "On the foundations of noise-free selective classification", Journal of Machine
Learning Research 11, 2010.
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of answered samples")
def error_when_answered(ensembles: Ensembles) -> np.ndarray:
    """Share of samples that the vote gets wrong among those that a member answers; 1 if there are none.

    An ensemble may lower it by leaving hard samples unanswered, so minimise it together with `unanswered`, or with a
    limit on that.
    """
    answered = ensembles.votes.n_samples - ensembles.unanswered
    wrong = ensembles.errors - ensembles.unanswered
    return np.where(answered > 0, wrong / np.maximum(answered, 1), 1.0)
