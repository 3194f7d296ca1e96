"""Cluster the members by their predictions and keep one member of each cluster.

Clustering by medoids as in Kaufman, Rousseeuw, "Finding Groups in Data", 1990, chapter 2 (PAM). Choosing who stands for
a cluster, accuracy first or diversity first, in the style of Alhalabi, Gaber, Basurra, "MicroNets", Computers &
Electrical Engineering 96, 2021, whose text could not be read.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.agreement import Labels
from evo_ensyth.selection.evaluator import Evaluator

REPRESENTATIVES = ("accuracy", "diversity")


@dataclass(frozen=True)
class KMedoids:
    """One ensemble for each number of clusters; they need not be nested.

    Attributes
    ----------
    first : str
        ``accuracy``: the member with the fewest errors stands for its cluster. ``diversity``: the medoid does, from
        which the others differ least.
    max_size : int
        Most clusters.

    Notes
    -----
    The distance of two members is the number of samples to which they give different labels, right or wrong. k clusters
    begin with the medoids of k - 1 and the member that then lowers the sum of distances most, so k is reached from what
    is settled; PAM begins each k anew. Of members that would do equally well the one with fewer errors is taken, then
    the first. Nothing but one ensemble for each k is judged.
    """

    first: str = setting("accuracy", one_of=REPRESENTATIVES)
    max_size: int = setting(50, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Judge the representatives of one cluster, of two, and so on."""
        votes = search.votes
        best_first = np.argsort(votes.member_errors, kind="stable")  # of equals the first is the best from here on
        labels = Labels(votes.y_pred[best_first], votes.n_classes)
        distances = np.array([labels.differences(row) for row in votes.y_pred[best_first]], np.int32)
        medoids = np.zeros(0, np.int64)
        for _ in range(min(self.max_size, votes.n_members)):
            medoids = _settled(distances, np.append(medoids, _joining(distances, medoids)))
            voters = medoids if self.first == "diversity" else _first_of_each(distances, medoids)
            subset = np.zeros(votes.n_members, bool)
            subset[best_first[voters]] = True
            search.evaluate(subset[None])


def _settled(distances: np.ndarray, medoids: np.ndarray) -> np.ndarray:
    """Exchange medoids until no exchange of one lowers the sum of distances: PAM's swapping step."""
    looked_at = 0
    while looked_at < len(medoids):
        leaving, others = medoids[0], medoids[1:]
        joining = _joining(distances, others)
        medoids = np.append(others, joining)  # at the end, so that all have their turn
        looked_at = looked_at + 1 if joining == leaving else 1
    return medoids


def _joining(distances: np.ndarray, medoids: np.ndarray) -> int:
    """Who, as one more medoid, lowers the sum of all members' distances to their nearest most: PAM's building step."""
    nearest = distances[medoids].min(axis=0, initial=np.iinfo(distances.dtype).max)
    sums = np.minimum(distances, nearest).sum(axis=1, dtype=np.int64)
    sums[medoids] = np.iinfo(np.int64).max  # nobody is two medoids, though somebody else may answer the same
    return int(sums.argmin())


def _first_of_each(distances: np.ndarray, medoids: np.ndarray) -> np.ndarray:
    """Lowest index among the members that are nearest to each medoid: int64, (n_medoids,)."""
    cluster = distances[medoids].argmin(axis=0)
    cluster[medoids] = np.arange(len(medoids))  # even where two medoids answer the same
    return np.asarray(np.unique(cluster, return_index=True)[1])
