"""Votes in files, laid out and counted a block of samples at a time, count what votes in memory do."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth import voting
from evo_ensyth.engine import bit_planes, sample_blocks, views
from evo_ensyth.pool import Votes, memory

N_MEMBERS, N_SAMPLES, N_CLASSES = 9, 5_000, 5


def drawn(holes):
    rng = np.random.default_rng(3)
    y_true = rng.integers(0, N_CLASSES, N_SAMPLES)
    right = rng.random((N_MEMBERS, N_SAMPLES)) < 0.6
    y_pred = np.where(right, y_true, rng.integers(0, N_CLASSES, right.shape))
    return np.where(rng.random(right.shape) < holes, -1, y_pred), y_true


def counted(votes, ties):
    tally = voting.fit(voting.load("plurality", {"ties": ties}), votes).tally(votes)
    rng = np.random.default_rng(4)
    subsets = rng.random((40, N_MEMBERS)) < 0.5
    subsets[:, 0] = True
    groups, around = rng.integers(0, 3, N_SAMPLES), np.arange(N_MEMBERS) < 3
    return {
        "errors": tally.errors(subsets),
        "of one": tally.errors(subsets[:1]),
        "by group": tally.errors_by(groups, 3, subsets),
        "predictions": tally.predictions(subsets),
        "smoothed": tally.smoothed_losses(subsets),
        "smoothed neighbours": tally.smoothed_losses(around ^ np.eye(N_MEMBERS, dtype=bool), around),
        "neighbours": tally.neighbour_errors(around),
        "swaps": tally.swap_errors(around),
        "margins": views.bit_planes(votes).margin_counts(subsets),
        "members": votes.member_errors,
        "part": votes.part(np.array([4, 2]), slice(7, None, 3)).y_pred,
        "fingerprint": votes.fingerprint,
    }


@pytest.mark.parametrize("ties", ["lowest", "log_odds"])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_blocks_in_files_add_up_to_the_whole(monkeypatch, tmp_path, holes, ties):
    y_pred, y_true = drawn(holes)
    expected = counted(Votes(y_pred, y_true, N_CLASSES, "search"), ties)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(memory, "is_large", lambda size: size > 0)
    monkeypatch.setattr(sample_blocks, "BLOCK", 700 * N_MEMBERS)
    monkeypatch.setattr(bit_planes, "READ_TOGETHER", 8_000)
    votes = Votes(y_pred, y_true, N_CLASSES, "search")
    planes = views.bit_planes(votes)
    assert memory.is_in_file(votes.y_pred)
    assert memory.is_in_file(planes.words)
    assert len(list(planes.blocks())) > 3
    assert sorted(planes.order) == np.flatnonzero((votes.y_pred != votes.y_true).any(axis=0)).tolist()
    found = counted(votes, ties)
    for what, value in expected.items():
        assert_array_equal(found[what], value, err_msg=what)
    assert not list(tmp_path.iterdir())  # the files have no names


def test_blocks_cover_all_samples_and_fill_their_units(monkeypatch):
    monkeypatch.setattr(sample_blocks, "BLOCK", 3 * 1_000)
    labels, key = np.zeros((3, 7_001), np.uint8), np.random.default_rng(0).integers(0, 50, 7_001)
    contested = key % 7 > 0
    ranges = list(sample_blocks.sample_blocks(labels))
    assert [start for start, _ in ranges] == list(range(0, 7_001, 960))
    assert ranges[-1][1] == 7_001
    blocks = sample_blocks.sorted_blocks(key, contested, labels)
    assert all(len(block) % 512 == 0 for block in blocks[:-1])
    assert sorted(np.concatenate(blocks)) == np.flatnonzero(contested).tolist()
    for block in blocks:
        assert (np.diff(key[block]) >= 0).all()
