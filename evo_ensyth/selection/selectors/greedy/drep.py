"""DREP: of the members that differ most from the ensemble, add the best.

Li, Yu, Zhou, "Diversity Regularized Ensemble Pruning", ECML PKDD 2012, pages 330-345. In the style of: steps from other
accounts of the paper, and for more than two classes.
"""

import math
from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.agreement import Growing, Labels
from evo_ensyth.selection.evaluator import Evaluator


@dataclass(frozen=True)
class DREP:
    """Nested ensembles from the best member up to the whole pool.

    Attributes
    ----------
    rho : float
        Share of the members outside that may join: those that give the ensemble's label to the fewest samples. With 1
        it is `forward_greedy`.

    Notes
    -----
    The paper ends when no candidate lowers the error. Here all sizes are judged: two that vote seldom beat one, and a
    front asks for every size. Best is what leaves the fewest errors, unless the search is led by another criterion. Of
    equally different, and of equally good, members the first is taken.
    """

    rho: float = setting(0.3, above=0, at_most=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the path, with the candidates on the way."""
        votes = search.votes
        labels = Labels(votes.y_pred, votes.n_classes)
        ensemble = Growing(votes)
        ensemble.join(int(votes.member_errors.argmin()))
        search.evaluate(ensemble.subset[None])
        while not ensemble.subset.all():
            outside = np.flatnonzero(~ensemble.subset)
            differences = labels.differences(ensemble.answers)[outside]
            most_different = outside[np.argsort(-differences, kind="stable")]
            candidates = np.zeros(votes.n_members, bool)
            candidates[most_different[: math.ceil(self.rho * len(outside))]] = True
            ensemble.join(int(search.neighbour_values(ensemble.subset, candidates).argmin()))
            search.evaluate(ensemble.subset[None])
