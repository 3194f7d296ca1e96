"""Which weights of each member are not zero, its support, and how many of them two members have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo_ensyth.errors import build_extra
from evo_ensyth.files import read_checked
from evo_ensyth.io.manifest import check_no_link
from evo_ensyth.io.pool_folder import StoredPool, read_member


@dataclass(frozen=True)
class Supports:
    """Sizes of supports, and what they share.

    Attributes
    ----------
    sizes : int64, (n_members,)
        How many weights of a member are not zero; biases do not count.
    shared : float64, (n_members, n_members)
        How many places have such a weight in both members; NaN where their weights have other shapes.
    expected : float64, (n_members, n_members)
        The same for supports that were drawn at random, independently, with as many weights in every layer; NaN
        likewise.
    """

    sizes: np.ndarray
    shared: np.ndarray
    expected: np.ndarray

    def jaccard(self, shared: np.ndarray) -> np.ndarray:
        """Of the places in either member's support, the share in both, where so many are; NaN if there is none."""
        return _ratio(shared, self.sizes[:, None] + self.sizes - shared)

    def overlap(self, shared: np.ndarray) -> np.ndarray:
        """Of the places in the smaller support, the share in the larger one, where so many are; NaN if it has none."""
        return _ratio(shared, np.minimum(self.sizes[:, None], self.sizes))


def read_supports(stored: StoredPool) -> Supports | None:
    """Supports of the members of a pool, or None if their weights do not lie in its folder.

    Raises
    ------
    InputError
        A file of weights is not the one that its member was written with, or cannot be read.
    """
    paths = [stored.folder / "members" / name / "weights.safetensors" for name in stored.pool.names]
    if not all(path.exists() for path in paths):
        return None
    members = [_Support.of(_weights(stored.folder, path)) for path in paths]
    n_members = len(members)
    shared, expected = np.full((n_members, n_members), np.nan), np.full((n_members, n_members), np.nan)
    for shapes in {member.shapes for member in members}:
        alike = np.array([i for i, member in enumerate(members) if member.shapes == shapes])
        places = np.ix_(alike, alike)
        shared[places] = _common_ones(np.array([members[i].places for i in alike]))
        counts = np.array([members[i].counts for i in alike], dtype=np.float64)
        expected[places] = counts / [max(1, np.prod(shape)) for _, shape in shapes] @ counts.T
    return Supports(np.array([sum(member.counts) for member in members]), shared, expected)


@dataclass(frozen=True)
class _Support:
    """Names and shapes of a member's tensors of weights, how many are not zero in each, and where, eight to a byte."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    counts: tuple[int, ...]
    places: np.ndarray

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray]) -> "_Support":
        names = sorted(weights)
        nonzero = [weights[name].ravel() != 0 for name in names]
        places = np.packbits(np.concatenate([*nonzero, np.zeros(0, bool)]))
        words = np.pad(places, (0, -len(places) % 8)).view(np.uint64)
        shapes = tuple((name, weights[name].shape) for name in names)
        return cls(shapes, tuple(int(np.count_nonzero(part)) for part in nonzero), words)


def _weights(folder: Path, path: Path) -> dict[str, np.ndarray]:
    """Tensors of a member's file that are matrices, or filters; biases and the like have one dimension."""
    for part in (path.parent.parent, path.parent):
        check_no_link(part)
    with build_extra():
        from safetensors.numpy import load
    member = read_member(folder, path.parent.name) or {}
    digest = member.get("files", {}).get(path.name, "")
    tensors: dict[str, np.ndarray] = read_checked(path, digest, load)
    return {name: values for name, values in tensors.items() if values.ndim > 1}


def _common_ones(rows: np.ndarray) -> np.ndarray:
    """Count the bits that are set in both of two rows of words: float64, (n_rows, n_rows)."""
    counts = np.empty((len(rows), len(rows)))
    for i, row in enumerate(rows):
        counts[i, i:] = counts[i:, i] = np.bitwise_count(rows[i:] & row).sum(axis=1, dtype=np.int64)
    return counts


def _ratio(counts: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(counts, of, out=np.full(counts.shape, np.nan), where=of > 0))
