"""Scores that are no scores are refused, in memory and in the files of a pool."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_pool, read_scores
from evo_ensyth.pool import Scores

ONES = np.ones((2, 3, 4))
TRUTH = np.zeros(3, int)


def with_value(value):
    values = ONES.copy()
    values[1, 2, 3] = value
    return values


@pytest.mark.parametrize(
    ("members", "truth", "message"),
    [
        (ONES[0], TRUTH, r"search scores have shape \(3, 4\); expected \(n_members, n_samples, n_classes\)"),
        ([], TRUTH, "search scores hold no member"),
        ([ONES[0], ONES[0, 0]], TRUTH, r"of member 1 have shape \(4,\); expected \(n_samples, n_classes\)"),
        ([ONES[0], ONES[0, :2]], TRUTH, r"of member 1 have shape \(2, 4\); member 0 has \(3, 4\)"),
        (ONES.astype(str), TRUTH, "of member 0 have type <U32; they must be numbers of 64 bits or fewer"),
        (ONES.astype(complex), TRUTH, "of member 0 have type complex128; they must be numbers"),
        (ONES[:, :0], TRUTH[:0], r"of member 0 have shape \(0, 4\); expected at least one sample and one class"),
        (ONES[:, :, :0], TRUTH, r"of member 0 have shape \(3, 0\); expected at least one sample and one class"),
        (np.zeros((1, 1, 2**16 + 1)), TRUTH[:1], "there are 65537 classes; from 1 to 65536 fit"),
        (ONES, TRUTH[:2], r"search truth has shape \(2,\); the scores need \(3,\)"),
        (ONES, TRUTH + 4, "search truth hold 4; with 4 classes they go from 0 to 3"),
        (with_value(np.nan), TRUTH, r"search scores hold nan \(member 1, sample 2, class 3\); they are finite and"),
        (with_value(np.inf), TRUTH, r"hold inf \(member 1, sample 2, class 3\)"),
        (with_value(-np.inf), TRUTH, r"hold -inf \(member 1, sample 2, class 3\)"),
        (with_value(-1e-9), TRUTH, r"hold -1e-09 \(member 1, sample 2, class 3\); they are finite and at least 0"),
    ],
)
def test_scores_that_are_none_are_refused(monkeypatch, members, truth, message):
    monkeypatch.setattr("evo_ensyth.pool.scores.CHECKED", 8)  # two samples at a time: the third is in the second part
    with pytest.raises(InputError, match=message):
        Scores(members, truth, "search")


def test_scores_of_a_stored_pool_are_mapped(pool_folder):
    stored = read_pool(pool_folder)
    for split in ("search", "test"):
        scores = read_scores(stored, split)
        assert all(isinstance(member, np.memmap) for member in scores.members)
        for name, member in zip(stored.pool.names, scores.members, strict=True):
            assert_array_equal(member, np.load(pool_folder / "members" / name / f"{split}.scores.npy"))
        assert scores.split == split
        assert_array_equal(scores.y_true, np.load(pool_folder / f"{split}.truth.npy"))


def test_files_that_do_not_fit_the_pool_are_refused(pool_folder):
    stored = read_pool(pool_folder)
    path = pool_folder / "members" / "c-1" / "search.scores.npy"
    shape = np.load(path).shape
    np.save(path, np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match=r"c-1.search.scores.npy has shape \(3, 2\); the votes of its pool need"):
        read_scores(stored, "search")
    np.save(path, np.full(shape, -1, np.float32))
    with pytest.raises(InputError, match=r"c-1.search.scores.npy is not the file that the manifest lists"):
        read_scores(stored, "search")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"search.scores.npy is not a complete .npy file"):
        read_scores(stored, "search")
    path.unlink()
    with pytest.raises(InputError, match=r"search.scores.npy does not exist; 'pool build --repair' makes it again"):
        read_scores(stored, "search")
    path.symlink_to(path.with_name("test.scores.npy"))
    with pytest.raises(InputError, match="is a symbolic link"):
        read_scores(stored, "search")
