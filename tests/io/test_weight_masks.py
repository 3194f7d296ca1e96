"""What weight masks share, against sets of places; and what becomes of weights that are missing, forged or unlike."""

import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save

from evo_ensyth.errors import InputError
from evo_ensyth.io.pool_folder import Answers, write_member
from evo_ensyth.io.weight_masks import read_weight_masks
from evo_ensyth.pool import Members

ANSWERS = {split: Answers(np.zeros(2, np.uint8), np.zeros((2, 2), np.float32)) for split in ("search", "test")}


@pytest.fixture
def stored(tmp_path):
    """A function that writes members with some tensors, and gives the pool of them."""

    def stored(*members):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        names = tuple(f"m{i}" for i in range(len(members)))
        for name, tensors in zip(names, members, strict=True):
            weights = save({key: np.asarray(values, np.float32) for key, values in tensors.items()})
            write_member(folder, name, origin={}, layers=[], report={}, answers=ANSWERS, weights=weights)
        return SimpleNamespace(folder=folder, pool=Members(names))

    return stored


def places(tensors):
    return {(name, *place) for name, values in tensors.items() if values.ndim > 1 for place in np.argwhere(values)}


def test_pairs_share_the_places_that_are_in_both_sets(stored):
    rng = np.random.default_rng(0)
    members = [
        {
            "conv.weight": rng.normal(size=(4, 3, 2, 2)) * (rng.random((4, 3, 2, 2)) < density),
            "fc.weight": rng.normal(size=(7, 11)) * (rng.random((7, 11)) < density / 2),
            "fc.bias": rng.normal(size=7),
            "fc.bits": np.array(8),
        }
        for density in (0.2, 0.5, 0.9, 1.0)
    ]
    found = read_weight_masks(stored(*members))
    sets = [places(tensors) for tensors in members]
    assert found.sizes.tolist() == [len(one) for one in sets]
    jaccard, overlap = found.jaccard(found.shared), found.overlap(found.shared)
    for i, one in enumerate(sets):
        for j, other in enumerate(sets):
            assert found.shared[i, j] == len(one & other)
            assert jaccard[i, j] == pytest.approx(len(one & other) / len(one | other))
            assert overlap[i, j] == pytest.approx(len(one & other) / min(len(one), len(other)))
            by_chance = sum(
                sum(place[0] == name for place in one) * sum(place[0] == name for place in other) / size
                for name, size in (("conv.weight", 48), ("fc.weight", 77))
            )
            assert found.expected[i, j] == pytest.approx(by_chance)


def test_at_one_density_chance_gives_d_over_two_minus_d(stored):
    """A tenth, a quarter and a half of 400 weights; then weight masks that are drawn, and come near it."""
    for density in (0.1, 0.25, 0.5):
        rng = np.random.default_rng(1)
        drawn = [(rng.permutation(400) < density * 400).reshape(20, 20) for _ in range(30)]
        found = read_weight_masks(stored(*({"fc.weight": mask} for mask in drawn)))
        pairs = np.triu_indices(30, 1)
        np.testing.assert_allclose(found.jaccard(found.expected)[pairs], density / (2 - density))
        np.testing.assert_allclose(found.overlap(found.expected)[pairs], density)
        assert found.jaccard(found.shared)[pairs].mean() == pytest.approx(density / (2 - density), abs=0.01)
        assert set(found.sizes.tolist()) == {density * 400}


def test_nested_and_disjoint_supports_are_all_and_nothing(stored):
    half = np.arange(40).reshape(4, 10) % 2
    quarter = half * (np.arange(40).reshape(4, 10) % 4 == 1)
    found = read_weight_masks(stored({"w": half}, {"w": quarter}, {"w": 1 - half}))
    assert found.overlap(found.shared)[0].tolist() == [1, 1, 0]
    assert found.jaccard(found.shared)[0].tolist() == [1, 0.5, 0]


def test_unlike_shapes_and_empty_supports_are_not_compared(stored):
    found = read_weight_masks(
        stored({"w": np.ones((2, 6))}, {"w": np.ones((3, 4))}, {"w": np.eye(2, 6)}, {"w": np.zeros((2, 6))}, {}, {})
    )
    assert np.isnan(found.shared).astype(int).tolist()[:2] == [[0, 1, 0, 0, 1, 1], [1, 0, 1, 1, 1, 1]]
    assert found.jaccard(found.shared)[0, 2] == pytest.approx(1 / 6)
    assert found.jaccard(found.shared)[0, 3] == 0
    assert np.isnan(found.overlap(found.shared)[0, 3])
    assert np.isnan(found.jaccard(found.shared)[4, 5])


def test_without_weights_nothing_is_said_and_of_other_weights_it_is(stored):
    pool = stored({"w": np.eye(2)}, {"w": np.eye(2)})
    path = pool.folder / "members" / "m1" / "weights.safetensors"
    path.write_bytes(save({"w": np.ones((2, 2), np.float32)}))
    with pytest.raises(InputError, match=r"m1/weights\.safetensors is not the file that the manifest lists"):
        read_weight_masks(pool)
    path.unlink()
    assert read_weight_masks(pool) is None


def test_weights_are_read_without_torch(environment):
    """It takes seconds to import, and `pool show` does without."""
    code = "import sys, evo_ensyth.report.pool_facts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_a_header_of_very_many_tensors_is_refused_before_it_is_parsed(stored):
    found = stored({f"empty-{i}": np.zeros((0, 1)) for i in range(20_000)})
    with pytest.raises(InputError, match=r"weights\.safetensors cannot be read: its header says .* 1,048,576 at most"):
        read_weight_masks(found)
