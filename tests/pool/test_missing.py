"""Missing answers: how they are recognised, and what each policy makes of them."""

import re

import numpy as np
import pandas
import polars
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.errors import InputError
from evo_ensyth.io import read_predictions, write_predictions
from evo_ensyth.pool import Members, Parent, Pool, Votes
from evo_ensyth.pool.missing import absent, settle, unmasked

LABELS = np.array([[0, 1, 2, 1, 0, 2], [2, -1, 2, -1, -1, 0], [0, 1, -1, 1, 0, 2]])
TRUTH = np.array([0, 1, 1, 1, 0, 2])


def pool(**options):
    return Pool(Members(tuple("abc")), Votes(LABELS, TRUTH, 3, "search"), **options)


def test_a_hole_counts_as_an_error_of_its_member_and_as_no_answer():
    votes = pool().search
    assert votes.has_holes
    assert votes.member_errors.tolist() == [1, 6, 1]
    assert votes.n_answered.tolist() == [6, 3, 5]
    assert_array_equal(votes.answered, LABELS != -1)
    assert votes.n_labels == 4


def test_parts_and_fingerprints_know_holes():
    votes = pool().search
    part = votes.part(np.array([2, 1]), np.array([0, 2, 5]))
    assert_array_equal(part.answered, LABELS[[2, 1]][:, [0, 2, 5]] != -1)
    assert_array_equal(part.y_pred[part.answered], [0, 2, 2, 2, 0])
    assert not votes.part(np.array([0])).has_holes
    filled = np.where(LABELS == -1, 0, LABELS)
    fingerprints = {votes.fingerprint, *(Votes(filled, TRUTH, n, "search").fingerprint for n in (3, 4))}
    assert len(fingerprints) == 3
    assert Votes(LABELS.astype(np.int8), TRUTH, 3, "test").fingerprint == votes.fingerprint


def test_65536_classes_leave_no_room_for_holes():
    with pytest.raises(InputError, match="there are 65536 classes; from 1 to 65535 fit where answers are missing"):
        Votes(LABELS, TRUTH, 65_536, "search")


NA = pandas.NA
KINDS = {
    "NaN": np.array([0, np.nan, 2]),
    "None": [0, None, 2],
    "-1": np.array([0, -1, 2]),
    "-1 as a float": np.array([0, -1.0, 2]),
    "masked": np.ma.array([0, 7, 2], mask=[False, True, False]),
    "pandas NA": pandas.Series([0, NA, 2], dtype="Int64"),
    "pandas NA as an object": pandas.Series([0, NA, 2], dtype=object),
    "pandas NaT": pandas.Series([0, pandas.NaT, 2], dtype=object),
    "polars null": polars.Series([0, None, 2]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_missing_value_is_a_hole(kind):
    votes = Pool.from_predictions({"a": KINDS[kind], "b": [0, 1, 1]}, [0, 1, 2], missing="abstain").search
    assert_array_equal(votes.answered, [[True, False, True], [True, True, True]])
    assert votes.member_errors.tolist() == [1, 1]


@pytest.mark.parametrize("library", [pandas, polars])
def test_columns_of_data_frames_may_have_holes(library):
    frame = library.DataFrame({"a": [0, None, 2], "b": [0, 1, 1]})
    votes = Pool.from_predictions(frame, [0, 1, 2], missing="abstain").search
    assert_array_equal(votes.y_pred, [[0, 3, 2], [0, 1, 1]])


def test_a_row_of_missing_scores_is_a_hole_and_adds_nothing():
    scores = np.random.default_rng(0).random((2, 3, 4))
    scores[0, 1] = np.nan
    votes = Pool.from_predictions(scores, [0, 1, 2], missing="abstain").search
    assert_array_equal(~votes.answered, [[False, True, False], [False] * 3])
    assert_array_equal(votes.scores.members[0][1], np.zeros(4))
    assert_array_equal(votes.scores.members[1], scores[1])
    scores[1, 2, 0] = np.nan
    with pytest.raises(InputError, match=r"'member-1' lack 1 of 4 scores for sample 2; give all of them, or none"):
        Pool.from_predictions(scores, [0, 1, 2], missing="abstain")


def test_nothing_else_is_absent():
    for values in (["", "None", "nan"], [0, 1], [True, False], [[0.0, np.inf]], np.array(["x", 0], object)):
        assert not absent(values).any()


def test_by_default_holes_are_refused_in_one_line_with_what_to_do():
    message = (
        "member 'b' has no answer for search sample 1; in all, 4 of 18 answers are missing, from 2 of 3 members. "
        "Choose what to do with --missing (in Python, missing=): abstain (those who answer vote), drop-members=0.1, or "
        "drop-samples."
    )
    with pytest.raises(InputError, match=re.escape(message)):
        settle(pool())
    with pytest.raises(InputError, match=re.escape(message)):
        Pool.from_predictions(dict(zip("abc", LABELS, strict=True)), TRUTH)


def test_a_pool_without_holes_stays_as_it_is_whatever_the_policy():
    whole = pool().part(np.array([0]))
    for missing in ("refuse", "abstain", "drop-members=0", "drop-samples"):
        assert settle(whole, missing) is whole


def test_abstaining_keeps_everything_and_tells_how_much_is_missing():
    settled = settle(pool(source={"kind": "arrays"}), "abstain")
    assert_array_equal(settled.search.answered, LABELS != -1)
    assert settled.source == {"kind": "arrays", "missing": {"policy": "abstain", "n_missing": {"search": 4}}}


@pytest.mark.parametrize(("most", "kept"), [("0", "a"), ("0.2", "ac"), ("0.49", "ac"), ("0.5", "abc")])
def test_members_with_more_holes_than_allowed_are_dropped(most, kept):
    settled = settle(pool(), f"drop-members={most}")
    assert "".join(settled.names) == kept
    assert settled.source["missing"]["dropped_members"] == [name for name in "abc" if name not in kept]


def test_a_member_is_dropped_if_it_has_too_many_holes_on_either_split():
    silent = np.where(np.arange(6) < 4, -1, LABELS)
    settled = settle(pool(test=Votes(np.array([silent[0], TRUTH, TRUTH]), TRUTH, 3, "test")), "drop-members=0.5")
    assert settled.names == ("b", "c")
    assert len(settled.test.y_pred) == 2


def test_a_limit_that_no_member_keeps_is_refused():
    message = "every member leaves more than 0.00% of a split unanswered, 'a' the least with 16.67%"
    with pytest.raises(InputError, match=re.escape(message)):
        settle(Pool(Members(("a",)), Votes(LABELS[2:], TRUTH, 3, "search")), "drop-members=0")


def test_samples_with_holes_are_dropped_from_all_that_belongs_to_them():
    groups = np.arange(6)
    parent = Parent({}, {"search": TRUTH, "test": TRUTH[::-1]})
    search = Votes(LABELS, TRUTH, 3, "search", groups=groups)
    whole = Pool(Members(tuple("abc")), search, Votes(LABELS[:, ::-1], TRUTH[::-1], 3, "test"), parent)
    settled = settle(whole, "drop-samples")
    assert_array_equal(settled.search.y_pred, LABELS[:, [0, 5]])
    assert_array_equal(settled.search.groups, [0, 5])
    assert_array_equal(settled.parent.y_pred["test"], [2, 0])
    told = settled.source["missing"]
    assert told["dropped_samples"] == {"search": [1, 2, 3, 4], "test": [1, 2, 3, 4]}


def test_dropping_nearly_all_samples_is_refused():
    with pytest.raises(InputError, match=r"all members answer 1 of 5 search samples; at least 2 estimate an error"):
        settle(Pool(Members(tuple("abc")), Votes(LABELS[:, :5], TRUTH[:5], 3, "search")), "drop-samples")


@pytest.mark.parametrize("missing", ["", "vote", "drop-members", "drop-members=1", "drop-members=x", "abstain=1"])
def test_other_policies_are_refused(missing):
    with pytest.raises(InputError, match=rf"missing is '{missing}'; expected refuse, abstain, drop-members=SHARE"):
        settle(pool(), missing)


def test_samples_of_a_file_are_counted_as_in_the_file(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 40)
    labels = np.array([truth, truth, rng.integers(0, 3, 40)]).astype(float)
    labels[1, [5, 17, 30]] = np.nan
    np.savez(tmp_path / "p.npz", labels=labels, truth=truth)
    settled = read_predictions(tmp_path / "p.npz", missing="drop-samples")
    dropped = settled.source["missing"]["dropped_samples"]
    assert sorted(dropped["search"] + dropped["test"]) == [5, 17, 30]
    test = settled.source["test_samples"]
    assert_array_equal(settled.test.y_true, truth[test])
    rest = np.setdiff1d(np.arange(40), [*test, 5, 17, 30])
    assert_array_equal(settled.search.y_true, truth[rest])
    first = f"p.npz: member 'member-1' has no answer for search sample {min(dropped['search'])};"
    with pytest.raises(InputError, match=first):
        read_predictions(tmp_path / "p.npz")


def test_holes_survive_being_written(tmp_path):
    write_predictions(tmp_path / "p.npz", pool())
    found = read_predictions(tmp_path / "p.npz", missing="abstain")
    assert found.search.fingerprint == pool().search.fingerprint


def test_scores_of_a_file_may_have_holes(tmp_path):
    scores = np.random.default_rng(0).random((2, 4, 3)).astype(np.float32)
    scores[1, 2] = np.nan
    np.savez(tmp_path / "p.npz", search_scores=scores, search_truth=np.array([0, 1, 2, 0]))
    votes = read_predictions(tmp_path / "p.npz", missing="abstain").search
    assert_array_equal(~votes.answered, [[False] * 4, [False, False, True, False]])
    assert_array_equal(votes.scores.members[1], np.nan_to_num(scores[1]))


def test_what_pandas_before_3_keeps_to_itself_is_not_taken_for_its_values():
    class Column:
        _data = "the blocks of a Series, which numpy.ma.getdata returns"

        def __array__(self, dtype=None, copy=None):
            return np.array([0.0, np.nan, 2.0])

    assert_array_equal(unmasked(Column()), [0, np.nan, 2])
    assert absent(Column()).tolist() == [False, True, False]
