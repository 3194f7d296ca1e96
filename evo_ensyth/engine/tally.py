"""What counts the votes of many subsets on one split, whatever the vote rule."""

from typing import Protocol

import numpy as np


class Tally(Protocol):
    """Counts the votes of subsets of a pool on one split. All results are whole numbers, on any number of threads.

    Subsets are bool, (n_subsets, n_members), none of them empty. Members may have several votes in a multiset, int64,
    (n_members,).

    Attributes
    ----------
    n_members, n_samples : int
    """

    @property
    def n_members(self) -> int:
        """Number of members."""
        ...

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        ...

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """Samples that each subset gets wrong: int64, (n_subsets,)."""
        ...

    def errors_by(self, groups: np.ndarray, n_groups: int, subsets: np.ndarray) -> np.ndarray:
        """Samples of each group, int64 (n_samples,), that each subset gets wrong: int64, (n_subsets, n_groups)."""
        ...

    def predictions(self, subsets: np.ndarray) -> np.ndarray:
        """Label that each subset predicts for each sample: type of the labels, (n_subsets, n_samples)."""
        ...

    def sums(self, subset: np.ndarray) -> np.ndarray:
        """Sum of the vote for each class, of one subset, bool (n_members,): int64, (n_samples, n_classes)."""
        ...

    def smoothed_losses(self, subsets: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
        """Sum over the samples of the smoothed loss of the margin, in steps of 2^-20: int64, (n_subsets,).

        Parameters
        ----------
        subsets : bool, (n_subsets, n_members)
        around : bool, (n_members,), optional
            A subset from which each of the others differs by one member, which makes counting them much faster.
        """
        ...

    def neighbour_errors(self, subset: np.ndarray, movers: np.ndarray | None = None) -> np.ndarray:
        """Errors after each of the movers, int64 (n_movers,), joins or leaves a subset: int64, (n_movers,).

        The number of samples where that empties the subset.
        """
        ...

    def swap_errors(self, subset: np.ndarray) -> np.ndarray:
        """Errors after one member leaves and another joins: int64, (size, n_members - size)."""
        ...

    def joined_errors(self, multiset: np.ndarray, movers: np.ndarray) -> np.ndarray:
        """Errors after each of the movers joins a multiset, or gets one more vote in it: int64, (n_movers,)."""
        ...

    def multiset_errors(self, multisets: np.ndarray) -> np.ndarray:
        """Errors of multisets, int64 (n_multisets, n_members): int64, (n_multisets,)."""
        ...
