"""Kaggle folders: how rows are joined, what is told, and submissions like the sample."""

from pathlib import Path

import numpy as np
import pytest
from io_folders import write_csv

import evo_ensyth as ee
from evo_ensyth.errors import InputError

TRUTH = ["cat", "dog", "cat", "dog", "cat", "dog"]
RIGHT = {"a": [0, 1, 2, 3], "b": [0, 2, 3, 4, 5], "c": [1, 2, 4, 5]}  # rows that a model gets right
OTHER = {"cat": "dog", "dog": "cat"}
SUBMITTED = {"a": ["cat", "dog", "dog"], "b": ["cat", "cat", "dog"], "c": ["dog", "cat", "dog"]}


def labels(name: str) -> list[str]:
    return [label if i in RIGHT[name] else OTHER[label] for i, label in enumerate(TRUTH)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three models for six rows, with submissions for three; ids are text with zeros in front."""
    path = tmp_path / "pets"
    path.mkdir()
    ids, new = [f"0{i}" for i in range(6)], ["010", "011", "012"]
    write_csv(path / "train.csv", {"key": ids, "height": range(6), "pet": TRUTH})
    write_csv(path / "sample_submission.csv", {"key": new, "pet": ["cat"] * 3})
    for name, submitted in SUBMITTED.items():
        write_csv(path / f"oof_{name}.csv", {"key": ids[::-1], "pet": labels(name)[::-1]})
        write_csv(path / f"sub_{name}.csv", {"key": new[::-1], "pet": submitted[::-1]})
    return path


def votes_of(folder: Path, **more) -> ee.Votes:
    return ee.load(folder, test_share=0, **more).search


def test_rows_are_joined_by_the_id_that_the_sample_submission_begins_with(folder):
    votes = votes_of(folder)
    assert votes.classes == ("cat", "dog")
    assert [votes.classes[i] for i in votes.y_true] == TRUTH
    for i, name in enumerate("abc"):
        assert [votes.classes[label] for label in votes.y_pred[i]] == labels(name)


def test_a_row_without_predictions_is_a_missing_answer(folder):
    write_csv(folder / "oof_b.csv", {"key": ["05", "01"], "pet": ["dog", "cat"]})
    with pytest.raises(InputError, match=r"pets: member 'b' has no answer for search sample 0; in all, 4 of 18"):
        votes_of(folder)
    votes = votes_of(folder, missing="abstain")
    assert votes.y_pred[1].tolist() == [2, 0, 2, 2, 2, 1]


def test_the_true_classes_may_lie_beside_the_predictions(folder):
    (folder / "train.csv").unlink()
    (folder / "sample_submission.csv").unlink()
    for name in "abc":
        ids = [f"0{i}" for i in range(6)]
        write_csv(folder / f"oof_{name}.csv", {"id": ids, "truth": TRUTH, "pred": labels(name)})
    assert votes_of(folder).member_errors.tolist() == [2, 1, 2]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"pred": labels("a")}, "oof_a.csv has no column 'key'; its rows are taken in the order of "),
        ({"key": [f"0{i}" for i in range(6)], "pred": labels("a"), "fold": range(6)}, "column 'fold' is not used"),
        (
            {"key": [f"0{i}" for i in range(7)], "pred": [*labels("a"), "cat"]},
            "oof_a.csv: 1 rows, such as '06', are not in ",
        ),
    ],
)
def test_what_is_not_used_is_told(folder, columns, told):
    write_csv(folder / "oof_a.csv", columns)
    with pytest.warns(ee.InputWarning, match=told):
        votes = votes_of(folder)
    assert [votes.classes[label] for label in votes.y_pred[0]] == labels("a")


def test_a_submission_without_out_of_fold_predictions_is_told(folder):
    write_csv(folder / "sub_d.csv", {"key": ["010"], "pet": ["cat"]})
    with pytest.warns(ee.InputWarning, match="sub_d.csv: there are no out-of-fold predictions of 'd'"):
        assert votes_of(folder).n_members == 3


def test_names_of_members_may_hold_what_separates_them_from_classes(tmp_path):
    write_csv(tmp_path / "train.csv", {"id": range(4), "truth": ["x", "y", "x", "y"]})
    for name in ("a::x", "a"):
        write_csv(tmp_path / f"oof_{name}.csv", {"id": range(4), "x": [0.8, 0.4, 0.9, 0.3], "y": [0.2, 0.6, 0.1, 0.7]})
    pool = ee.load(tmp_path, test_share=0)
    assert pool.names == ("a", "a::x")
    assert pool.search.member_errors.tolist() == [0, 0]


def written(folder: Path, **more) -> str:
    run = ee.search(ee.load(folder, test_share=0, **more), ["error", "n_members"], selector="single_best", n_folds=0)
    whole = run.whole_pool
    ee.write_submission(whole, folder, folder.parent / "whole.csv")
    return (folder.parent / "whole.csv").read_text()


def test_a_submission_has_the_ids_and_columns_of_the_sample_and_the_classes_of_the_vote(folder):
    assert written(folder) == "key,pet\n010,cat\n011,cat\n012,dog\n"


@pytest.mark.parametrize("sample", ["label", "chance"])
def test_one_column_of_chances_gets_the_share_of_the_second_class(folder, sample):
    chances = {"a": [0.25, 0.5, 1.0], "b": [0.0, 0.9, 0.75], "c": [0.1, 0.2, 0.9]}
    for name, values in chances.items():
        right = np.where(np.array(labels(name)) == "dog", 0.9, 0.2)
        write_csv(folder / f"oof_{name}.csv", {"key": [f"0{i}" for i in range(6)], "pet": right.tolist()})
        write_csv(folder / f"sub_{name}.csv", {"key": ["010", "011", "012"], "pet": values})
    with pytest.warns(ee.InputWarning, match="read as the chance of class dog"):
        text = written(folder)
    shares = [float(line.partition(",")[2]) for line in text.splitlines()[1:]]
    np.testing.assert_allclose(shares, [0, 1 / 3, 1])  # of the members, under plurality


def test_a_column_for_each_class_gets_the_share_of_each(folder):
    write_csv(folder / "sample_submission.csv", {"key": ["010", "011"], "is_dog": [0.5] * 2, "is_cat": [0.5] * 2})
    for name, chance in {"a": 0.25, "b": 0.5, "c": 0.75}.items():
        dog = np.where(np.array(labels(name)) == "dog", 0.9, 0.2)
        oof = {"key": [f"0{i}" for i in range(6)], "is_dog": dog.tolist(), "is_cat": (1 - dog).tolist()}
        write_csv(folder / f"oof_{name}.csv", oof)
        np.save(folder / f"sub_{name}.npy", np.array([[1 - chance, chance], [0.9, 0.1]]))
        (folder / f"sub_{name}.csv").unlink()
    pool = ee.load(folder, truth="pet", test_share=0)
    run = ee.search(
        pool,
        ["brier_score", "n_members"],
        selector="single_best",
        vote=ee.voting.load("soft", {"temper": False}),
        n_folds=0,
    )
    ee.write_submission(run.whole_pool, folder, folder.parent / "whole.csv")
    rows = [line.split(",") for line in (folder.parent / "whole.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["key", "010", "011"]
    assert rows[0][1:] == ["is_dog", "is_cat"]
    np.testing.assert_allclose(np.array(rows[1:])[:, 1:].astype(float), [[0.5, 0.5], [0.1, 0.9]], atol=1e-4)


def test_search_and_pick_write_submissions(call, folder, tmp_path):
    asked = ("--selector", "exact", "--folds", "0", "--test-share", "0", "--out", "run", "--quiet")
    said = call("search", "pets", *asked, "--write-submission", "found.csv")
    assert said.status == 0, said.err
    said = call("pick", "run", "--size", "1", "--write-submission", "one.csv")
    assert (said.status, said.err) == (0, "evo_ensyth: its submission is written to one.csv\n")
    assert (tmp_path / "one.csv").read_text().splitlines()[1:] == [
        f"01{i},{label}" for i, label in enumerate(SUBMITTED["b"])
    ]
    assert (tmp_path / "found.csv").exists()


WRONG = {
    "no submission of a member": (
        lambda f: (f / "sub_b.csv").unlink(),
        "new.csv",
        "has no submission of 'b', such as sub_b.csv",
    ),
    "another suffix": (None, "new.txt", "new.txt does not end with .csv"),
    "a file that is there": (None, "pets/train.csv", "train.csv is there already; remove it, or name another file"),
    "no folder for it": (None, "nowhere/new.csv", "nowhere is no folder; create it"),
    "a row that a member lacks": (
        lambda f: write_csv(f / "sub_a.csv", {"key": ["010", "012"], "pet": ["cat", "dog"]}),
        "new.csv",
        "sub_a.csv has no row for '011', which pets/sample_submission.csv has; add it",
    ),
    "a class that is none": (
        lambda f: write_csv(f / "sub_a.csv", {"key": ["010", "011", "012"], "pet": ["cat", "eel", "dog"]}),
        "new.csv",
        "sub_a.csv holds 'eel'; the true classes are cat, dog",
    ),
    "chances beside labels": (
        lambda f: write_csv(f / "sub_a.csv", {"key": ["010", "011", "012"], "pet": [0.5, 0.5, 0.1]}),
        "new.csv",
        "sub_b.csv holds labels, and other submissions hold chances; give one kind",
    ),
    "a sample of many columns": (
        lambda f: write_csv(f / "sample_submission.csv", {"key": ["010"], "pet": ["cat"], "owner": ["me"]}),
        "new.csv",
        "sample_submission.csv has the columns key, pet, owner; expected ids, then one column, or one for each class",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_submission_that_cannot_be_written_takes_one_line(call, folder, tmp_path, what):
    change, path, message = WRONG[what]
    if change is not None:
        change(folder)
    before = sorted(tmp_path.rglob("*"))
    asked = ("--selector", "single_best", "--folds", "0", "--test-share", "0", "--out", "run")
    said = call("search", "pets", *asked, "--baseline", "single_best", "--quiet", "--write-submission", path)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert message in said.err
    assert [p for p in sorted(tmp_path.rglob("*")) if "run" not in p.parts] == before


def test_a_run_on_another_source_has_no_submission(call, tmp_path):
    write_csv(tmp_path / "answers.csv", {"truth": [0, 1, 0, 1], "a": [0, 1, 0, 0]})
    call("search", "answers.csv", "--selector", "single_best", "--folds", "0", "--test-share", "0", "--out", "run")
    said = call("pick", "run", "--write-submission", "new.csv")
    assert (said.status, said.out) == (2, "")
    assert "run is a run on something else than a Kaggle folder, so there is no submission" in said.err
