"""A pool as a file of predictions: what comes back is what was there, and scores nearly so."""

import numpy as np
import pytest

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions, write_predictions
from evo_ensyth.io.formats._npz_writer import rounded
from evo_ensyth.pool import Members, Parent, Pool, Scores, SharedPart, Votes

STEPS = 20


def test_a_parent_whose_answers_are_not_known_is_not_written(tmp_path):
    votes = Votes(np.array([[0, 1], [1, 1]]), np.array([0, 1]), 2, "search")
    for parent in (Parent({"bytes": 9}, {}), None):
        write_predictions(tmp_path / "a.npz", Pool(Members(("a", "b")), votes, None, parent))
        assert read_predictions(tmp_path / "a.npz").parent is None


@pytest.fixture
def probabilities():
    """Scores (4, 40, 3) that add up to 1: sure, unsure, and equal up to the last bit."""
    rng = np.random.default_rng(5)
    values = rng.dirichlet([0.2] * 3, (4, 40))
    values[:, :10] = np.array([0.3, 0.3, 0.4]) + rng.normal(0, 1e-4, (4, 10, 3))
    values[:, 10] = [0.0, 1.0, 0.0]
    return values.astype(np.float32)


@pytest.fixture
def truth():
    return np.random.default_rng(6).integers(0, 3, 40)


def test_what_is_written_is_read_again_and_has_the_same_bytes(tmp_path, probabilities, truth):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (4, 40))
    part = SharedPart("trunk", np.array([True, False, True, True]), {"bytes": 5})
    costs = {"euros": np.array([1.5, 2, 3, 4]), "bytes": np.array([7, 8, 9, 10])}
    members = Members(("a", "b", "c", "d"), costs=costs, shared=(part,))
    scores = {
        split: Scores(probabilities[:, ::way], truth[::way], split) for split, way in (("search", 1), ("test", -1))
    }
    groups = rng.integers(0, 2, 40)
    search = Votes(labels, truth, 3, "search", lambda: scores["search"], groups)
    test = Votes(labels[:, ::-1], truth[::-1], 3, "test", lambda: scores["test"], groups[::-1])
    answers = rng.integers(0, 3, 40)
    parent = Parent({"bytes": 9, "macs": 2.5}, {"search": answers, "test": answers[::-1]})
    pool = Pool(members, search, test, parent)
    for with_scores in (False, True):
        for name in ("once.npz", "again.npz"):
            write_predictions(tmp_path / name, pool, with_scores=with_scores)
        assert (tmp_path / "once.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
        found = read_predictions(tmp_path / "once.npz")
        assert found.names == pool.names
        assert {name: values.tolist() for name, values in found.costs.items()} == {
            "euros": [1.5, 2, 3, 4],
            "bytes": [7, 8, 9, 10],
        }
        (trunk,) = found.shared
        assert (trunk.members.tolist(), dict(trunk.costs)) == ([True, False, True, True], {"bytes": 5})
        assert found.parent.costs == {"bytes": 9.0}  # the pool has no macs
        for split, way in (("search", 1), ("test", -1)):
            assert found.parent.y_pred[split].tolist() == answers[::way].tolist()
        # The labels are others than the scores would say.
        assert (found.search.fingerprint, found.test.fingerprint) == (search.fingerprint, test.fingerprint)
        assert found.search.groups.tolist() == groups.tolist()
        assert found.test.groups.tolist() == groups[::-1].tolist()
        for votes in (found.search, found.test):
            if with_scores:
                np.testing.assert_array_equal(votes.scores.members, rounded(scores[votes.split]))
            else:
                with pytest.raises(InputError, match="store scores too"):
                    votes.scores  # noqa: B018
    with np.load(tmp_path / "once.npz") as file:
        assert set(file) > {"names", "search_labels", "search_scores", "test_truth"}


def test_scores_are_rounded_to_the_nearest_level_and_the_highest_stays_the_highest(probabilities, truth):
    exact, found = probabilities.astype(np.float64), rounded(Scores(probabilities, truth, "search"))
    levels = [(k / STEPS) ** 2 for k in range(STEPS + 1)]
    n_raised = 0
    for member, sample in np.ndindex(exact.shape[:2]):
        values, row = exact[member, sample], found[member, sample]
        ranks = [min(range(STEPS + 1), key=lambda k: abs(levels[k] - value)) for value in values]
        highest = values.tolist().index(max(values))
        if ranks.index(max(ranks)) != highest:
            ranks[highest] += 1
            n_raised += 1
        np.testing.assert_allclose(row, [levels[k] for k in ranks], rtol=2**-11)
        assert row.argmax() == highest
    assert 0 < n_raised < exact[..., 0].size / 2
    assert (found.dtype, found.flags.f_contiguous) == (np.float16, True)


def test_what_is_sure_stays_sure():
    sure = np.array([[[0, 1 + 2**-20, 0], [2**-20, 1 - 2**-20, 0], [0, 0, 0]]])
    assert rounded(Scores(sure, np.zeros(3, int), "search")).tolist() == [[[0, 1, 0], [0, 1, 0], [0, 0, 0]]]


def test_only_probabilities_can_be_rounded(tmp_path, truth):
    members = Members(("a", "b"))
    votes = Votes(np.zeros((2, 40), int), truth, 3, "search", lambda: Scores(np.full((2, 40, 3), 7), truth, "search"))
    with pytest.raises(InputError, match="search scores go up to 7; only probabilities can be written"):
        write_predictions(tmp_path / "p.npz", Pool(members, votes), with_scores=True)
    without = Votes(votes.y_pred, truth, 3, "search")
    with pytest.raises(InputError, match="the search split of this pool has labels only"):
        write_predictions(tmp_path / "p.npz", Pool(members, without), with_scores=True)
    assert not (tmp_path / "p.npz").exists()
