"""Spread of the vote's margin over the samples, relative to its mean.

Wu, He, Qian, Zhou, "Multi-objective evolutionary ensemble pruning guided by margin distribution", PPSN 2022 (MDEP).
"""

import numpy as np

from evo_ensyth.objectives import Ensembles, objective

# Value for ensembles whose mean margin is not positive; larger than any other.
HOPELESS = 1e12


@objective(unit="spread by mean")
def margin_ratio(ensembles: Ensembles) -> np.ndarray:
    """Standard deviation of the margin divided by its mean; 1e12 if the mean is not positive.

    The margin of a sample is the votes for the truth minus those for the strongest other class, as a share of the
    ensemble's size, which cancels out. Large and even margins give a small ratio. All samples contribute, including
    those that are right, so the ratio varies less by chance than the error does.
    """
    n_members = ensembles.subsets.shape[1]
    margins = np.arange(-n_members, n_members + 1)
    n_samples = ensembles.votes.n_samples
    # Whole numbers until the last step: the mean times n_samples, and the variance times n_samples squared.
    total = (ensembles.margin_counts * margins).sum(axis=1)
    spread = n_samples * (ensembles.margin_counts * margins**2).sum(axis=1) - total**2
    return np.where(total > 0, np.sqrt(spread) / np.maximum(total, 1), HOPELESS)
