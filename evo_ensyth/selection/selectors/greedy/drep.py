"""DREP: of the members that differ most from the ensemble, add the best.

In the style of Li, Yu, Zhou, "Diversity Regularized Ensemble Pruning", ECML PKDD 2012, pages 330-345: the steps are
taken from other accounts of the paper and extended to more than two classes.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.agreement import Growing, Labels
from evo_ensyth.selection.evaluator import Evaluator
from evo_ensyth.shares import rounded_up


@dataclass(frozen=True)
class DREP:
    """Build nested ensembles from the best member up to the whole pool.

    Attributes
    ----------
    rho : float
        Share of the members outside that may join: those that agree with the ensemble on the fewest samples. 1 is
        equivalent to `forward_greedy`.

    Notes
    -----
    The paper stops when no candidate lowers the error. Here all sizes are evaluated: two voters seldom beat one, and a
    front covers every size. The best candidate minimises the leading objective, by default the error. Ties in
    difference and in value go to the first member.
    """

    rho: float = setting(0.3, above=0, at_most=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the path and the candidates along it."""
        votes = search.votes
        labels = Labels(votes.y_pred, votes.n_labels)
        ensemble = Growing(votes)
        ensemble.join(int(votes.member_errors.argmin()))
        search.evaluate(ensemble.subset[None])
        while not ensemble.subset.all():
            outside = np.flatnonzero(~ensemble.subset)
            differences = labels.differences(ensemble.answers)[outside]
            most_different = outside[np.argsort(-differences, kind="stable")]
            candidates = np.zeros(votes.n_members, bool)
            candidates[most_different[: rounded_up(self.rho, len(outside))]] = True
            ensemble.join(int(search.neighbour_values(ensemble.subset, candidates).argmin()))
            search.evaluate(ensemble.subset[None])
