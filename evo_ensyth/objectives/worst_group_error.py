"""Error on the group of samples with the largest error.

Used as a criterion by Sagawa, Koh, Hashimoto, Liang, "Distributionally robust neural networks", ICLR 2020.
"""

import numpy as np

from evo_ensyth.errors import InputError
from evo_ensyth.objectives import Ensembles, objective


@objective(unit="share of samples")
def worst_group_error(ensembles: Ensembles) -> np.ndarray:
    """Largest error among the groups of samples that the pool defines, such as hospitals, cameras or years.

    Raises
    ------
    InputError
        The pool defines no groups for this split.
    """
    groups = ensembles.votes.groups
    if groups is None:
        split = ensembles.votes.split
        raise InputError(f"the {split} split of this pool knows no groups; a .npz file gives them as '{split}_groups'.")
    sizes = np.bincount(groups)
    errors = ensembles.errors_by(groups.astype(np.int64), len(sizes))
    return np.asarray((errors[:, sizes > 0] / sizes[sizes > 0]).max(axis=1))
