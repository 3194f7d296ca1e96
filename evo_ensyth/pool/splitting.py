"""Split samples into those to search on and those to test on, at random and by a seed."""

import numpy as np

from evo_ensyth.errors import InputError

BY_GROUP, BY_CLASS = "groups stay together", "stratified by class"


def check_split(share: float, seed: int) -> None:
    """Check what a user says about a split at random.

    Raises
    ------
    InputError
        The share is not at least 0 and below 1, or the seed is negative.
    """
    if not 0 <= share < 1:
        raise InputError(f"the test share is {share:g}; it must be at least 0 and below 1.")
    if seed < 0:
        raise InputError(f"the seed of the split is {seed}; it must be 0 or more.")


def test_samples(y_true: np.ndarray, groups: np.ndarray | None, share: float, seed: int) -> tuple[np.ndarray, str]:
    """Choose the samples of the test split.

    Where there are groups, all samples of a group go to the same split: random groups are added until the number of
    samples is as near to the share as it gets. Otherwise each class is split in the same proportion, as far as whole
    numbers allow.

    Parameters
    ----------
    y_true : int, (n_samples,)
    groups : int64, (n_samples,), optional
        Codes; see `coded_groups`.
    share : float
        Share of the samples, from 0 to below 1.
    seed : int

    Returns
    -------
    int64, (n_test,)
        Indices, ascending.
    str
        How the samples were split, in words.

    Raises
    ------
    InputError
        All samples are of one group.
    """
    rng = np.random.default_rng(seed)
    n_test = round(share * len(y_true))
    if groups is None:
        return np.sort(_stratified(y_true, rng)[:n_test]), BY_CLASS
    if n_test == 0:
        return np.zeros(0, np.int64), BY_GROUP
    distinct, sizes = np.unique(groups, return_counts=True)
    if len(distinct) < 2:
        raise InputError("all samples are of one group, which cannot be in both splits; use a test share of 0.")
    order = rng.permutation(len(distinct))
    n_groups = 1 + int(np.abs(np.cumsum(sizes[order])[:-1] - n_test).argmin())
    return np.flatnonzero(np.isin(groups, distinct[order[:n_groups]])), BY_GROUP


def _stratified(y_true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Order the samples at random, but so that each class is spread evenly over the order: int64, (n_samples,)."""
    shuffled = rng.permutation(len(y_true))
    _, codes, sizes = np.unique(y_true[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable")
    rank = np.empty(len(y_true), np.int64)
    rank[by_class] = np.arange(len(y_true)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return shuffled[np.argsort((rank + 0.5) / sizes[codes], kind="stable")]
