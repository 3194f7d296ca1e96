"""Cluster the members by their predictions and keep one member of each cluster.

Clustering by medoids as in Kaufman, Rousseeuw, "Finding Groups in Data", 1990, chapter 2 (PAM). The choice of one
representative per cluster, by accuracy or by diversity, is in the style of Alhalabi, Gaber, Basurra, "MicroNets",
Computers & Electrical Engineering 96, 2021, whose full text was not available.
"""

from dataclasses import dataclass

import numpy as np

from evo_ensyth.plugins import check_settings, setting
from evo_ensyth.selection.agreement import Labels
from evo_ensyth.selection.evaluator import Evaluator

REPRESENTATIVES = ("accuracy", "diversity")


@dataclass(frozen=True)
class KMedoids:
    """Build one ensemble for each number of clusters; they need not be nested.

    Attributes
    ----------
    first : str
        How a cluster is represented. ``accuracy``: by its member with the fewest errors. ``diversity``: by its medoid,
        from which the others differ least.
    max_size : int
        Largest number of clusters.

    Notes
    -----
    The distance between two members is the number of samples to which they give different labels, correct or not.
    Clustering into k clusters starts from the medoids for k - 1 and the member that then lowers the sum of distances
    most; PAM starts afresh for each k. Ties go to the member with fewer errors, then to the first. Only one ensemble
    is evaluated for each k.
    """

    first: str = setting("accuracy", one_of=REPRESENTATIVES)
    max_size: int = setting(50, at_least=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def select(self, search: Evaluator, rng: np.random.Generator) -> None:
        """Evaluate the representatives of one cluster, of two, and so on."""
        votes = search.votes
        best_first = np.argsort(votes.member_errors, kind="stable")  # from here on, the first of equals is the best
        labels = Labels(votes.y_pred[best_first], votes.n_labels)
        distances = np.array([labels.differences(row) for row in votes.y_pred[best_first]], np.int32)
        medoids = np.zeros(0, np.int64)
        for _ in range(min(self.max_size, votes.n_members)):
            medoids = _settled(distances, np.append(medoids, _joining(distances, medoids)))
            voters = medoids if self.first == "diversity" else _first_of_each(distances, medoids)
            subset = np.zeros(votes.n_members, bool)
            subset[best_first[voters]] = True
            search.evaluate(subset[None])


def _settled(distances: np.ndarray, medoids: np.ndarray) -> np.ndarray:
    """Exchange medoids until no single exchange lowers the sum of distances: PAM's swap step."""
    looked_at = 0
    while looked_at < len(medoids):
        leaving, others = medoids[0], medoids[1:]
        joining = _joining(distances, others)
        medoids = np.append(others, joining)  # at the end, so that each medoid gets its turn
        looked_at = looked_at + 1 if joining == leaving else 1
    return medoids


def _joining(distances: np.ndarray, medoids: np.ndarray) -> int:
    """Index of the additional medoid that minimises the sum of distances to the nearest medoid: PAM's build step."""
    nearest = distances[medoids].min(axis=0, initial=np.iinfo(distances.dtype).max)
    sums = np.minimum(distances, nearest).sum(axis=1, dtype=np.int64)
    sums[medoids] = np.iinfo(np.int64).max  # no member is a medoid twice, though another may make the same predictions
    return int(sums.argmin())


def _first_of_each(distances: np.ndarray, medoids: np.ndarray) -> np.ndarray:
    """Lowest index in the cluster of each medoid: int64, (n_medoids,)."""
    cluster = distances[medoids].argmin(axis=0)
    cluster[medoids] = np.arange(len(medoids))  # even if two medoids make the same predictions
    return np.asarray(np.unique(cluster, return_index=True)[1])
