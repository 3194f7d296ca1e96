"""Weight masks of members, the positions of their non-zero weights, and how many positions two members share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evo_ensyth.errors import build_extra
from evo_ensyth.io.manifest import check_no_link
from evo_ensyth.io.pool_folder import StoredPool, read_member
from evo_ensyth.io.weights_file import read_weights


@dataclass(frozen=True)
class WeightMasks:
    """Sizes of weight masks and of their intersections.

    Attributes
    ----------
    sizes : int64, (n_members,)
        Number of non-zero weights of each member, without biases.
    shared : float64, (n_members, n_members)
        Number of positions with non-zero weights in both members; NaN where their weights differ in shape.
    expected : float64, (n_members, n_members)
        Expected value of ``shared`` for independent random masks with the same number of weights in every layer; NaN
        likewise.
    """

    sizes: np.ndarray
    shared: np.ndarray
    expected: np.ndarray

    def jaccard(self, shared: np.ndarray) -> np.ndarray:
        """Jaccard index of weight masks with the given intersection sizes; NaN if both weight masks are empty."""
        return _ratio(shared, self.sizes[:, None] + self.sizes - shared)

    def overlap(self, shared: np.ndarray) -> np.ndarray:
        """Share of the smaller mask inside the larger, for given intersection sizes; NaN if the smaller is empty."""
        return _ratio(shared, np.minimum(self.sizes[:, None], self.sizes))


def read_weight_masks(stored: StoredPool) -> WeightMasks | None:
    """Read the weight masks of the members of a pool; returns None if its folder does not hold their weights.

    Raises
    ------
    InputError
        A weight file does not match its recorded digest, or cannot be read.
    """
    paths = [stored.folder / "members" / name / "weights.safetensors" for name in stored.pool.names]
    if not all(path.exists() for path in paths):
        return None
    members = [_WeightMask.of(_weights(stored.folder, path)) for path in paths]
    n_members = len(members)
    shared, expected = np.full((n_members, n_members), np.nan), np.full((n_members, n_members), np.nan)
    for shapes in {member.shapes for member in members}:
        alike = np.array([i for i, member in enumerate(members) if member.shapes == shapes])
        places = np.ix_(alike, alike)
        shared[places] = _common_ones(np.array([members[i].places for i in alike]))
        counts = np.array([members[i].counts for i in alike], dtype=np.float64)
        expected[places] = counts / [max(1, np.prod(shape)) for _, shape in shapes] @ counts.T
    return WeightMasks(np.array([sum(member.counts) for member in members]), shared, expected)


@dataclass(frozen=True)
class _WeightMask:
    """Names and shapes of a member's weight tensors, their numbers of non-zero weights, and a packed mask of these."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    counts: tuple[int, ...]
    places: np.ndarray

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray]) -> "_WeightMask":
        names = sorted(weights)
        nonzero = [weights[name].ravel() != 0 for name in names]
        places = np.packbits(np.concatenate([*nonzero, np.zeros(0, bool)]))
        words = np.pad(places, (0, -len(places) % 8)).view(np.uint64)
        shapes = tuple((name, weights[name].shape) for name in names)
        return cls(shapes, tuple(int(np.count_nonzero(part)) for part in nonzero), words)


def _weights(folder: Path, path: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a member's file with two or more dimensions, which excludes biases and the like."""
    for part in (path.parent.parent, path.parent):
        check_no_link(part)
    with build_extra():
        from safetensors.numpy import load
    member = read_member(folder, path.parent.name) or {}
    digest = member.get("files", {}).get(path.name, "")
    return {name: values for name, values in read_weights(path, digest, load).items() if values.ndim > 1}


def _common_ones(rows: np.ndarray) -> np.ndarray:
    """Number of bits set in both rows, for all pairs of rows of words: float64, (n_rows, n_rows)."""
    counts = np.empty((len(rows), len(rows)))
    for i, row in enumerate(rows):
        counts[i, i:] = counts[i:, i] = np.bitwise_count(rows[i:] & row).sum(axis=1, dtype=np.int64)
    return counts


def _ratio(counts: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(counts, of, out=np.full(counts.shape, np.nan), where=of > 0))
