"""A tree of members: clusters that consist of two others, down to single members, those most alike joined first."""

from dataclasses import dataclass

import numpy as np

# Larger pools are halved by the order of their members instead: distances of all pairs would take too long.
MOST_LINKED = 400
SAMPLES_COMPARED = 5_000


@dataclass(frozen=True)
class MemberTree:
    """Clusters 0 to n_members - 1 are the single members.

    Attributes
    ----------
    splits : int64, (n_members - 1, 3)
        A cluster, and the two that it consists of; a cluster comes before those in it, and those whose members differ
        most come first. The first one holds all members.
    sizes : int64, (2 * n_members - 1,)
        Members of each cluster.
    """

    splits: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, y_pred: np.ndarray) -> "MemberTree":
        """Tree of the rows of int (n_members, n_samples): by complete linkage of how often they differ.

        Where the result is used, any tree is right, and the best one is the quickest.
        """
        n_members = len(y_pred)
        if n_members == 1:
            return cls(np.zeros((0, 3), np.int64), np.ones(1, np.int64))
        if n_members > MOST_LINKED:
            return _halved(n_members)
        from scipy.cluster.hierarchy import linkage

        some = np.ascontiguousarray(y_pred[:, :: -(-y_pred.shape[1] // SAMPLES_COMPARED)])
        apart = [np.count_nonzero(some[i + 1 :] != some[i], axis=1) for i in range(n_members - 1)]
        joined = linkage(np.concatenate(apart).astype(np.float64), "complete")
        order = np.arange(n_members - 1)[::-1]  # linkage joins the clusters that are most alike first
        halves = joined[order, :2].astype(np.int64)
        splits = np.concatenate([n_members + order[:, None], halves], axis=1)
        sizes = np.concatenate([np.ones(n_members), joined[:, 3]]).astype(np.int64)
        return cls(np.ascontiguousarray(splits), sizes)


def _halved(n_members: int) -> MemberTree:
    """Tree of halves, quarters, ... of a row of members."""
    splits, sizes = [], np.ones(2 * n_members - 1, np.int64)
    todo, made = [(0, n_members, 2 * n_members - 2)], 2 * n_members - 3
    while todo:
        begin, end, cluster = todo.pop(0)
        sizes[cluster] = end - begin
        middle = (begin + end + 1) // 2
        halves = []
        for low, high in ((begin, middle), (middle, end)):
            if high - low == 1:
                halves.append(low)
            else:
                halves.append(made)
                todo.append((low, high, made))
                made -= 1
        splits.append((cluster, *halves))
    return MemberTree(np.array(splits, np.int64), sizes)
